import { takesLinearTime } from '@seq/testing';
import * as room from './index.js';

const heads = { dModel: 16, numHeads: 2, keyDim: 8, valueDim: 8 };

for (const mixer of [
  room.linearAttention(heads),
  room.retnet(heads),
  room.simpleGla(heads),
  room.gla({ ...heads, rank: 4 }),
  room.hgrn2(heads),
  room.deltaRule(heads),
  room.gatedDeltaRule(heads),
  room.rwkv7({ dModel: 16, headDim: 8 }),
])
  takesLinearTime(mixer);
