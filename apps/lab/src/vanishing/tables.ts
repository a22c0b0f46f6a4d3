import { count } from '../format.js';
import type { DecayResult, RemedyResult, VanishingResults } from './types.js';

/** A table as the terminal and the page show it: headings, then rows of text. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Slopes beside their theory. */
export function decayTable(decay: readonly DecayResult[]): Table {
  return {
    head: [
      'How far gradients reach',
      'slope, nats per step',
      '± over draws',
      'theory',
      'the gate alone',
      'halves in',
    ],
    rows: decay.map(({ title, slope, spread, theory, kept }) => [
      title,
      signed(slope),
      spread === null ? '–' : spread.toFixed(3),
      signed(theory),
      kept === null ? '' : signed(kept),
      halving(slope),
    ]),
  };
}

/** What each remedy does to the adding problem. */
export function remedyTable({ remedies, baseline }: VanishingResults): Table {
  return {
    head: [
      'The adding problem',
      'remedies',
      'parameters',
      `test error (always 1: ${baseline.toFixed(3)})`,
      'largest gradient',
      'seconds',
    ],
    rows: remedies.map((m) => [
      m.title,
      m.remedy,
      count(m.params),
      m.test === null ? 'no number' : m.test.toPrecision(2),
      largest(m),
      m.seconds.toFixed(0),
    ]),
  };
}

/** Three decimals and a minus sign; `–` for what is no number. */
export function signed(x: number | null): string {
  if (x === null || !Number.isFinite(x)) return '–';
  const text = x.toFixed(3);
  return text === '-0.000' ? '0.000' : text.replace('-', '−');
}

/** Positions over which the norm halves. */
function halving(slope: number | null): string {
  if (slope === null) return '–';
  const positions = Math.LN2 / -slope;
  if (!(positions > 0) || positions >= 1000) return 'hardly ever';
  return `${positions.toFixed(positions < 10 ? 1 : 0)} steps`;
}

function largest({ largestGradient, clip }: RemedyResult): string {
  const norm = largestGradient === null ? 'no number' : largestGradient.toPrecision(2).replace('e+', 'e');
  return clip === null ? norm : `${norm}, clipped at ${clip}`;
}
