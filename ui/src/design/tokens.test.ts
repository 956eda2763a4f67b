import { describe, expect, it } from "vitest";
import { contrast } from "./contrast";
import { ANSI_COLOURS, ON_SOLID, STATE_COLOURS, SURFACES, type Theme, tokenSheet } from "./tokens";

const THEMES: Theme[] = ["light", "dark"];

describe.each(THEMES)("tokens of the %s theme", (theme) => {
  const surfaces = [SURFACES.background[theme], SURFACES.raised[theme]];

  it.each(Object.entries(STATE_COLOURS))("state %s reads on both surfaces (5.4 light, 6.4 dark)", (_, colour) => {
    for (const surface of surfaces) expect(contrast(colour[theme], surface)).toBeGreaterThanOrEqual(5.2);
  });

  it.each(Object.entries(STATE_COLOURS))("text on a solid chip of %s reads", (_, colour) => {
    expect(contrast(ON_SOLID[theme], colour[theme])).toBeGreaterThanOrEqual(4.5);
  });

  it.each(Object.entries(ANSI_COLOURS))("job output in %s reads", (_, colour) => {
    for (const surface of surfaces) expect(contrast(colour[theme], surface)).toBeGreaterThanOrEqual(4.5);
  });

  it("text, muted text and links read on every surface, also hovered and selected", () => {
    for (const text of [SURFACES.text, SURFACES.muted, SURFACES.link])
      for (const surface of [...surfaces, SURFACES.hover[theme], SURFACES.selected[theme]])
        expect(contrast(text[theme], surface)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(SURFACES.barText[theme], SURFACES.bar[theme])).toBeGreaterThanOrEqual(7);
    expect(contrast(SURFACES.barMuted[theme], SURFACES.bar[theme])).toBeGreaterThanOrEqual(4.5);
    expect(contrast(SURFACES.accentText[theme], SURFACES.accent[theme])).toBeGreaterThanOrEqual(4.5);
  });

  it("borders of controls and the focus ring are visible (3:1)", () => {
    for (const surface of surfaces)
      for (const mark of [SURFACES.border, SURFACES.focus])
        expect(contrast(mark[theme], surface)).toBeGreaterThanOrEqual(3);
  });
});

it("the token sheet names every state once per theme", () => {
  const sheet = tokenSheet();
  for (const state of Object.keys(STATE_COLOURS)) expect(sheet.split(`--sw-state-${state}-fg:`)).toHaveLength(3);
});
