import { linspace, mul } from '@seq/tensor';
import { judge } from '@seq/testing';
import { ema } from './ema/mixer.js';
for (const [lo,hi,g,C] of [[-2,1,1,32],[-2,1,3,32],[-1,1,2,32],[-2,2,2,48]]) {
  const f = (o: any) => { const m: any = ema(o); const init = m.init; return { ...m, init: (k: any, p: any) => { const q=init(k, p); return { ...q, logitDecay: linspace(lo, hi, o.dModel, p), out: {...q.out, weight: mul(q.out.weight,g)} }} }; };
  const t=performance.now(); const [v] = await judge(f as any, { small: { dModel: C }, learn: { dModel: C } } as any, ['learn']);
  console.log(lo, hi, g, C, v.error ? /it is ([\d.]+) above/.exec(v.error.message)?.[1] ?? v.error.message : 'ok', (performance.now()-t|0));
}
