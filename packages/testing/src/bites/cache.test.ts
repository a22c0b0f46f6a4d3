import { describe } from 'vitest';
import { conformance } from '../conformance.js';
import { cacheMixer, cacheNaive } from './cache.js';
import type { CacheBug, CacheOptions } from './cache.js';
import { catches } from './planted.js';
import type { ConformanceOptions } from '../types.js';

const options: ConformanceOptions<CacheOptions> = { small: { dModel: 8 }, naive: cacheNaive };

conformance((o: CacheOptions) => cacheMixer(o), options);

describe('bugs planted in a cache', () => {
  catches<CacheOptions, CacheBug>(
    cacheMixer,
    {
      'the mask shows one key ahead': ['causality', 'definition', 'agreement'],
      'the mask is aligned top-left although there is a past': ['split', 'agreement'],
      'prefill leaves the position behind': ['split', 'agreement'],
      'step forgets the scale': ['agreement'],
      'all rows read the cache of row 0': ['batch'],
      'the softmax gradient lacks its sum': ['gradient'],
      'masked scores are not written': ['recycledMemory'],
      'heads are not in the spec': ['spec'],
      'the cost forgets the output projection': ['cost'],
      'step turns keys by the wrong position': ['agreement'],
      'the cache grows with every step': ['agreement'],
    },
    (bug) =>
      bug === 'heads are not in the spec' ? { ...options, small: { dModel: 8, numHeads: 4 } } : options,
  );
});
