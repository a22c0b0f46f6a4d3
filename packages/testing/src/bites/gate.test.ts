import { describe } from 'vitest';
import { conformance } from '../conformance.js';
import { gateMixer, gateNaive } from './gate.js';
import type { GateBug, GateOptions } from './gate.js';
import { catches } from './planted.js';
import type { ConformanceOptions } from '../types.js';

const options: ConformanceOptions<GateOptions> = { small: { dModel: 5 }, naive: gateNaive };

conformance((o: GateOptions) => gateMixer(o), options);

describe('bugs planted in a gate', () => {
  catches<GateOptions, GateBug>(
    gateMixer,
    {
      'forward resets before the product, step after it': ['agreement'],
      'no gradient passes the state': ['gradient'],
      'init ignores its key': ['init'],
      'a loop that is not declared': ['form'],
      'prefill starts anew': ['split', 'agreement'],
      'z and 1 − z are exchanged in every form': ['definition'],
      'the sigmoid overflows': ['init'],
      'every call keeps a tensor': ['noLeak'],
      'padding runs into the state': ['options'],
      'the state can be used twice': ['movedState'],
    },
    () => options,
  );
});
