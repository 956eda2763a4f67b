import { Glyph } from "../../components/Glyph";
import { type DeploymentGroup } from "../../domain/inventory";
import styles from "./deployments.module.css";

const LOOKS = {
  deployed: { word: "deployed", glyph: "FINISHED", colour: "finished" },
  refused: { word: "refused", glyph: "FAILED", colour: "failed" },
  partly: { word: "refused at some", glyph: "BROKEN", colour: "broken" },
} as const;

export function DeploymentState({ state }: { state: DeploymentGroup<never>["state"] }) {
  const { word, glyph, colour } = LOOKS[state];
  return (
    <span className={styles.state} data-state={colour}>
      <Glyph name={glyph} size={13} />
      {word}
    </span>
  );
}
