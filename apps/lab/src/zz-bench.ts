import { recipe, modelOf } from './recipes.js';
import { optimizerOf, validate } from './training.js';
import { randomCrops, startTraining, trainStep } from '@seq/train';
const toks = Int32Array.from({ length: 100000 }, (_, i) => (i * i) % 90);
const list = JSON.parse(process.argv[2] ?? '[["2-gram",{}],["cnn",{"dModel":64,"batch":8}],["gru",{"dModel":96,"batch":8}],["lstm",{"dModel":96,"batch":8}],["attention",{}]]') as [string, object][];
for (const [n, ch] of list) {
    try {
      const r = recipe(n, 90, ch); const lm = modelOf(r.spec); const opt = optimizerOf(r, lm); const t = startTraining(lm, opt);
      const data = randomCrops(toks, { B: r.batch, T: r.length }); const step = trainStep(lm, opt) as never as { (...a: unknown[]): [never, never, { loss: { item(): Promise<number> } }]; plan(...a: unknown[]): { flops: number; matmulFlops: number; peakBytes: number; dispatches: number } };
      let p: unknown = t.params, o: unknown = t.optState; const plan = step.plan(p, o, data.at(0).tokens, { key: t.key });
      let t0 = 0; const N = 20;
      for (let i = 0; i < N + 5; i++) { if (i === 5) t0 = performance.now(); const x = step(p, o, data.at(i).tokens, { key: t.key }); [p, o] = x; await x[2].loss.item(); }
      const ms = (performance.now() - t0) / N;
      const e0 = performance.now(); await validate(lm, p as never, toks.subarray(0, 4097), 64); const ev = performance.now() - e0; const e1 = performance.now(); await validate(lm, p as never, toks.subarray(0, 8193), 64);const ev2 = performance.now() - e1;
      console.log(n, JSON.stringify(ch), 'B', r.batch, ms.toFixed(1), 'ms/step', (plan.flops / 1e6).toFixed(0), 'MF', (plan.matmulFlops / 1e6).toFixed(0), 'MFmm', (plan.flops / ms / 1e6).toFixed(2), 'GF/s', plan.dispatches, 'kernels', (plan.peakBytes / 1e6).toFixed(1), 'MB', (r.batch * r.length / ms * 1000).toFixed(0), 'char/s', 'whole validation', (121753 / 8192 * ev2 / 1000).toFixed(1), 's');
    } catch (e) { console.log(n, String(e)); }
}
