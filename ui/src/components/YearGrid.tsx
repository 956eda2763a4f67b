/** A year as twelve months of weeks, Monday first; what a day shows is the caller's. Each month is a table with a caption. */
import { type ReactNode } from "react";
import { MONTHS, weeksOf } from "../domain/plan";
import styles from "./yearGrid.module.css";

interface YearGridProps {
  year: number;
  /** The inside of a day's cell: a link, a button, or the number of the day. */
  day: (date: string) => ReactNode;
}

export function YearGrid({ year, day }: YearGridProps) {
  return (
    <div className={styles.year}>
      {MONTHS.map((name, index) => (
        <table key={name} className={styles.month}>
          <caption>
            {name} <span className="visually-hidden">{year}</span>
          </caption>
          <thead>
            <tr>
              {["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"].map((word) => (
                <th key={word} scope="col">
                  {word}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {weeksOf(year, index + 1).map((week, number) => (
              <tr key={number}>
                {week.map((date, column) => (
                  <td key={column}>{date !== undefined && day(date)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </div>
  );
}
