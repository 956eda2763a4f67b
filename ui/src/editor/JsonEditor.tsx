/**
 * An editor of one object's JSON (ui.md S13): what is typed goes to `onChange`, findings become markers at their places, the
 * cursor's place goes out and comes in. Loaded lazily: it brings Monaco. Ctrl-M lets Tab leave it.
 */
import { useEffect, useEffectEvent, useRef, useSyncExternalStore } from "react";
import { currentTheme, subscribeTheme } from "../design/theme";
import { editor, type Editor, MarkerSeverity, modelOf, setSchema } from "./monaco";
import styles from "./editor.module.css";

export interface EditorMarker {
  /** Offsets in the text. */
  start: number;
  end: number;
  message: string;
}

interface JsonEditorProps {
  path: string;
  objectType: string;
  label: string;
  text: string;
  readOnly: boolean;
  schema: unknown;
  markers: readonly EditorMarker[];
  /** Where to go: a new object, even with the same place, goes there again. */
  goTo?: { offset: number; focus: boolean } | undefined;
  onChange: (text: string) => void;
  onCursor: (offset: number) => void;
  onSave: () => void;
}

const OWNER = "stellwerk";

export default function JsonEditor({ path, objectType, label, text, readOnly, schema, markers, goTo, onChange, onCursor, onSave }: JsonEditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const shown = useRef<Editor>(null);
  const theme = useSyncExternalStore(subscribeTheme, currentTheme);
  const changed = useEffectEvent(onChange);
  const moved = useEffectEvent(onCursor);
  const first = useEffectEvent(() => ({ text, label, readOnly }));
  const save = useEffectEvent(onSave);

  useEffect(() => {
    if (place.current === null) return;
    const model = modelOf(path, objectType, first().text);
    const made = editor.create(place.current, {
      model,
      theme: `stellwerk-${currentTheme()}`,
      ariaLabel: first().label,
      readOnly: first().readOnly,
      automaticLayout: true,
      fixedOverflowWidgets: true,
      fontSize: 13,
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--sw-mono"),
      lineNumbersMinChars: 4,
      minimap: { enabled: false },
      scrollBeyondLastLine: false,
      stickyScroll: { enabled: false },
      wordBasedSuggestions: "off",
      quickSuggestions: { strings: true, other: true, comments: false },
      renderLineHighlightOnlyWhenFocus: true,
      // Dimmed, the number of the last line could not be read.
      renderFinalNewline: "on",
      contextmenu: false,
      accessibilityPageSize: 200,
      padding: { top: 8, bottom: 8 },
    });
    shown.current = made;
    const subscriptions = [
      model.onDidChangeContent(() => changed(model.getValue())),
      made.onDidChangeCursorPosition(({ position }) => moved(model.getOffsetAt(position))),
    ];
    const keys = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
      event.preventDefault();
      save();
    };
    window.addEventListener("keydown", keys);
    return () => {
      window.removeEventListener("keydown", keys);
      for (const subscription of subscriptions) subscription.dispose();
      shown.current = null;
      made.dispose();
      model.dispose();
    };
  }, [path, objectType]);

  useEffect(() => {
    const model = shown.current?.getModel();
    if (shown.current === null || model === null || model === undefined || model.getValue() === text) return;
    // From outside (saved, merged, reverted): one step that Ctrl-Z takes back.
    shown.current.pushUndoStop();
    shown.current.executeEdits(OWNER, [{ range: model.getFullModelRange(), text }]);
    shown.current.pushUndoStop();
    if (model.getValue() !== text) model.setValue(text);
  }, [text]);

  useEffect(() => editor.setTheme(`stellwerk-${theme}`), [theme]);
  useEffect(() => shown.current?.updateOptions({ readOnly, ariaLabel: label }), [readOnly, label]);
  useEffect(() => {
    if (schema !== undefined) setSchema(objectType, schema);
  }, [objectType, schema]);

  useEffect(() => {
    const model = shown.current?.getModel();
    if (model === null || model === undefined) return;
    editor.setModelMarkers(
      model,
      OWNER,
      markers.map(({ start, end, message }) => {
        const [from, to] = [model.getPositionAt(start), model.getPositionAt(end)];
        const isShort = from.lineNumber === to.lineNumber;
        return {
          severity: MarkerSeverity.Error,
          message,
          startLineNumber: from.lineNumber,
          startColumn: from.column,
          endLineNumber: from.lineNumber,
          endColumn: isShort ? Math.max(to.column, from.column + 1) : model.getLineMaxColumn(from.lineNumber),
        };
      }),
    );
  }, [markers]);

  useEffect(() => {
    const model = shown.current?.getModel();
    if (goTo === undefined || shown.current === null || model === null || model === undefined) return;
    const position = model.getPositionAt(goTo.offset);
    shown.current.setPosition(position);
    shown.current.revealPositionInCenterIfOutsideViewport(position);
    if (goTo.focus) shown.current.focus();
  }, [goTo]);

  return <div ref={place} className={styles.editor} data-json-editor />;
}
