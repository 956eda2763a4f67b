/** The text beside what is deployed, released, or was deployed before. */
import { useQuery } from "@tanstack/react-query";
import { type EditedObject, type ObjectVersion } from "../../api/inventory";
import { versionQuery } from "../../api/inventory_queries";
import { Diff } from "../../components/Diff";
import { Empty, Remote } from "../../components/Panel";
import { jsonText } from "../../domain/json_text";
import { dateTimeWords } from "../../domain/words";
import styles from "./inventory.module.css";

interface DiffTabProps {
  object: EditedObject;
  text: string;
  version: string | undefined;
  onVersion: (version: string) => void;
}

const RELEASE = "release";
const STORED = "stored";

export function DiffTab({ object, text, version, onVersion }: DiffTabProps) {
  const choices = choicesOf(object, text);
  const chosen = choices.find(({ value }) => value === version) ?? choices[0];
  const commitId = chosen?.value === RELEASE || chosen?.value === STORED ? undefined : chosen?.value;
  const query = useQuery(versionQuery(object, commitId));
  if (chosen === undefined) return <Empty title="There is nothing to compare with: it has not been deployed or released." />;
  const known = chosen.value === RELEASE ? object.release?.configuration : chosen.value === STORED ? object.configuration : undefined;
  return (
    <div className={styles.diffTab}>
      <label className={styles.compare}>
        <span>Compare with</span>
        <select className="input" value={chosen.value} onChange={(event) => onVersion(event.target.value)}>
          {choices.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </label>
      {known !== undefined ? (
        <Diff before={jsonText(known)} after={text} beforeLabel={chosen.label} afterLabel="the text here" />
      ) : (
        <Remote query={query}>{(value) => <Diff before={jsonText(value)} after={text} beforeLabel={chosen.label} afterLabel="the text here" />}</Remote>
      )}
    </div>
  );
}

function choicesOf(object: EditedObject, text: string): { value: string; label: string }[] {
  const versions = object.versions.filter(({ operation, refused }) => operation === "update" && refused === undefined);
  return [
    ...(object.release === undefined ? [] : [{ value: RELEASE, label: `released ${dateTimeWords(object.release.time)}` }]),
    ...versions.map((version) => ({ value: version.commitId, label: versionWords(version) })),
    ...(text === jsonText(object.configuration) ? [] : [{ value: STORED, label: "what is stored" }]),
  ];
}

export function versionWords({ commitId, time, at }: ObjectVersion): string {
  const current = at.filter(({ current: isCurrent }) => isCurrent).map(({ controllerId }) => controllerId);
  return `${current.length > 0 ? `at ${current.join(", ")} now, ` : ""}${commitId.slice(0, 8)} of ${dateTimeWords(time)}`;
}
