import { takesLinearTime } from '@seq/testing';
import { lru, mamba, mamba2, s4d, s5 } from './index.js';

for (const mixer of [
  mamba({ dModel: 16 }),
  mamba2({ dModel: 16, stateDim: 16, headDim: 16 }),
  s4d({ dModel: 16, stateDim: 16 }),
  s5({ dModel: 16, stateDim: 16 }),
  lru({ dModel: 16, stateDim: 16 }),
])
  takesLinearTime(mixer);
