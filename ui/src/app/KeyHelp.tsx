/** Keys of the page that is shown, and the switch to turn single keys off. */
import { Modal } from "@mantine/core";
import { useKnownKeys, useSingleKeysOff } from "./keys";
import { usePreferences } from "./preferences";
import styles from "./shell.module.css";

export default function KeyHelp({ onClose }: { onClose: () => void }) {
  const keys = useKnownKeys();
  const off = useSingleKeysOff();
  const { choose } = usePreferences();
  return (
    <Modal opened onClose={onClose} title="Keys of this page" size={420}>
      <dl className={styles.keys}>
        <div>
          <dt>
            <kbd>Ctrl</kbd> <kbd>K</kbd>
          </dt>
          <dd>search or jump</dd>
        </div>
        {keys.map((binding) => (
          <div key={binding.keys}>
            <dt>
              {binding.keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{binding.words}</dd>
          </div>
        ))}
      </dl>
      <label className="check">
        <input
          type="checkbox"
          checked={off}
          onChange={(event) => choose({ singleKeysOff: event.target.checked })}
        />
        Switch single keys off
      </label>
    </Modal>
  );
}
