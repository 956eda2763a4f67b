"""What changes, told at once: projection → hub → `events` poll and native `stream` (cockpit-api 5; ui.md 4.4)."""
