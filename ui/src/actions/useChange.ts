/**
 * Sends one change and says what came of it. The idempotency key belongs to the intent: pressing the button again after a
 * torn connection repeats the same change, it does not make a second one.
 */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRef } from "react";
import { type Change } from "../api/changes";
import { change } from "../api/http";

export function useChange<Answer>(onDone: (answer: Answer) => void) {
  const client = useQueryClient();
  const intent = useRef<{ text: string; key: string }>(undefined);
  return useMutation<Answer, Error, Change>({
    mutationFn: (request) => {
      const text = request.path + JSON.stringify(request.body);
      if (intent.current?.text !== text) intent.current = { text, key: newKey() };
      return change<Answer>(request.path, request.body, intent.current.key);
    },
    onSuccess: (answer) => {
      intent.current = undefined;
      void client.invalidateQueries({ queryKey: ["attention"] });
      onDone(answer);
    },
  });
}

/** 128 random bits. `crypto.randomUUID` exists only on https and localhost. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
