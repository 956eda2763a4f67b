/**
 * Monaco, of which only what editing JSON needs is bundled: a chunk of its own, its workers from our own origin, so that the
 * content security policy stays (ui.md 7.1). It puts style elements into the page; nothing else of the UI does.
 * Its types are the whole package's; its modules are imported one by one.
 */
import type * as Monaco from "monaco-editor";
import { editor, Range, Uri, MarkerSeverity } from "monaco-editor/editor/editor.api";
import "monaco-editor/features/codicon/register";
import "monaco-editor/features/bracketMatching/register";
import "monaco-editor/features/clipboard/register";
import "monaco-editor/features/comment/register";
import "monaco-editor/features/contextmenu/register";
import "monaco-editor/features/find/register";
import "monaco-editor/features/folding/register";
import "monaco-editor/features/format/register";
import "monaco-editor/features/gotoError/register";
import "monaco-editor/features/gotoLine/register";
import "monaco-editor/features/hover/register";
import "monaco-editor/features/indentation/register";
import "monaco-editor/features/linesOperations/register";
import "monaco-editor/features/multicursor/register";
import "monaco-editor/features/smartSelect/register";
import "monaco-editor/features/snippet/register";
// Monaco's `features/suggest` has only the inline suggestions.
import "monaco-editor/editor/contrib/suggest/browser/suggestController";
import "monaco-editor/features/toggleTabFocusMode/register";
import "monaco-editor/features/wordHighlighter/register";
import "monaco-editor/features/wordOperations/register";
import { jsonDefaults } from "monaco-editor/languages/features/json/register";
import EditorWorker from "monaco-editor/editor/editor.worker?worker";
import JsonWorker from "monaco-editor/language/json/json.worker?worker";
import { STATE_COLOURS, SURFACES, type Theme } from "../design/tokens";

export type Editor = Monaco.editor.IStandaloneCodeEditor;
export type Model = Monaco.editor.ITextModel;

self.MonacoEnvironment = {
  getWorker: (_: string, label: string) => (label === "json" ? new JsonWorker() : new EditorWorker()),
};

const hex = (colour: string): string => colour.replace("#", "");

function defineTheme(theme: Theme): void {
  const surface = (name: keyof typeof SURFACES) => SURFACES[name][theme];
  const state = (name: keyof typeof STATE_COLOURS) => STATE_COLOURS[name][theme];
  editor.defineTheme(`stellwerk-${theme}`, {
    base: theme === "light" ? "vs" : "vs-dark",
    inherit: true,
    rules: [
      { token: "string.key.json", foreground: hex(state("scheduled")) },
      { token: "string.value.json", foreground: hex(state("finished")) },
      { token: "number.json", foreground: hex(state("prompting")) },
      { token: "keyword.json", foreground: hex(state("prompting")) },
      { token: "delimiter", foreground: hex(surface("muted")) },
    ],
    colors: {
      "editor.background": surface("background"),
      "editor.foreground": surface("text"),
      "editorLineNumber.foreground": surface("muted"),
      "editorLineNumber.activeForeground": surface("text"),
      "editor.lineHighlightBackground": surface("raised"),
      "editor.lineHighlightBorder": "#00000000",
      "editor.selectionBackground": surface("selected"),
      "editorWidget.background": surface("raised"),
      "editorWidget.border": surface("line"),
      "editorHoverWidget.background": surface("raised"),
      "editorSuggestWidget.background": surface("background"),
      "editorSuggestWidget.selectedBackground": surface("selected"),
      "editorSuggestWidget.selectedForeground": surface("text"),
      focusBorder: surface("focus"),
      "editorError.foreground": state("failed"),
      "editorWarning.foreground": state("waiting"),
      "editorBracketHighlight.foreground1": surface("muted"),
      "editorBracketHighlight.foreground2": surface("muted"),
      "editorBracketHighlight.foreground3": surface("muted"),
    },
  });
}
defineTheme("light");
defineTheme("dark");

jsonDefaults.setDiagnosticsOptions({ validate: true, allowComments: false, schemaValidation: "warning", enableSchemaRequest: false, schemas: [] });

const schemas = new Map<string, { uri: string; fileMatch: string[]; schema: unknown }>();

/** The schema by which texts of an object type are completed and explained. */
export function setSchema(objectType: string, schema: unknown): void {
  schemas.set(objectType, { uri: `stellwerk://schema/${objectType}.json`, fileMatch: [`*.${objectType.toLowerCase()}.json`], schema });
  jsonDefaults.setDiagnosticsOptions({ ...jsonDefaults.diagnosticsOptions, schemas: [...schemas.values()] });
}

/** The model of an object; its name says by which schema it is completed. */
export function modelOf(path: string, objectType: string, text: string): Model {
  const uri = Uri.from({ scheme: "stellwerk", path: `${path}.${objectType.toLowerCase()}.json` });
  editor.getModel(uri)?.dispose();
  const model = editor.createModel(text, "json", uri);
  model.updateOptions({ tabSize: 2, insertSpaces: true });
  return model;
}

export { editor, MarkerSeverity, Range };
