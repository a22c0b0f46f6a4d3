import { growsLinearly } from '@seq/testing';
import * as room from './index.js';

const heads = { dModel: 8, numHeads: 2, keyDim: 4, valueDim: 4 };

for (const mixer of [
  room.linearAttention(heads),
  room.retnet(heads),
  room.simpleGla(heads),
  room.gla({ ...heads, rank: 2 }),
  room.hgrn2(heads),
  room.deltaRule(heads),
  room.gatedDeltaRule(heads),
  room.rwkv7({ dModel: 8, headDim: 4 }),
])
  growsLinearly(mixer);
