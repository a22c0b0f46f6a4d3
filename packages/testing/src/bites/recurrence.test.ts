import { describe } from 'vitest';
import { apply } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { conformance } from '../conformance.js';
import { recurrenceMixer, recurrenceNaive, recurrenceOp } from './recurrence.js';
import type { RecurrenceBug, RecurrenceOptions } from './recurrence.js';
import { catches } from './planted.js';
import type { ConformanceOptions } from '../types.js';

const C = 3;
const options: ConformanceOptions<RecurrenceOptions> = {
  small: { dModel: 4 },
  core: {
    inputs: ({ B, T, random }) => ({
      g: random.uniform([B, T, C], { low: -2, high: 0 }),
      v: random.normal([B, T, C]),
      h: random.normal([B, C]),
    }),
    op({ g, v, h }) {
      const [y, last] = apply(recurrenceOp, [g, v, h], { L: 4 }) as [Tensor, Tensor];
      return { y, h: last };
    },
    naive({ g, v, h }) {
      const [B, T] = g.shape as [number, number];
      return recurrenceNaive(g.data, v.data, h.data, B, T, C);
    },
  },
};

conformance((o: RecurrenceOptions) => recurrenceMixer(o), options);

describe('bugs planted in a linear recurrence', () => {
  catches<RecurrenceOptions, RecurrenceBug>(
    recurrenceMixer,
    {
      'the carry is dropped at every chunk border': ['agreement', 'split'],
      'the last, partial chunk does not reach the state': ['split', 'agreement'],
      'the first position of a chunk does not decay the carry': ['agreement', 'split'],
      'inside a chunk one position ahead is seen': ['causality', 'agreement'],
      'a positive sum is exponentiated': ['init'],
      'rows are mixed by their mean': ['batch'],
      'resets are taken and ignored': ['options'],
      'nothing is remembered': ['learn'],
      'the cost forgets the length': ['cost'],
      'the reach is declared too short': ['causality'],
    },
    () => options,
  );
});
