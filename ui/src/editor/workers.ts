/**
 * What Monaco's JSON mode asks for its worker by, in place of Monaco's own module of this name, which would bring along every
 * feature that Monaco has, and too late for the services of an editor that exists already (vite.config.ts puts it there).
 */
import type * as Monaco from "monaco-editor";
import { editor } from "monaco-editor/editor/editor.api";

interface WorkerOptions {
  label?: string;
  createData?: unknown;
  host?: Record<string, (...given: unknown[]) => unknown>;
  keepIdleModels?: boolean;
}

export function createWebWorker<Proxy extends object>({ label = "", createData, host, keepIdleModels }: WorkerOptions): Monaco.editor.MonacoWebWorker<Proxy> {
  const made = self.MonacoEnvironment?.getWorker?.("workerMain.js", label);
  if (made === undefined) throw new Error("monaco.ts has not said how workers are made");
  const worker = Promise.resolve(made).then((started) => {
    // The protocol: the first message is ignored, the second one tells the worker what to be.
    started.postMessage("ignore");
    started.postMessage(createData);
    return started;
  });
  return editor.createWebWorker<Proxy>({ worker, ...(host === undefined ? {} : { host }), ...(keepIdleModels === undefined ? {} : { keepIdleModels }) });
}
