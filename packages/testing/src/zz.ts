import { compile, logSoftmax, tensor, valueAndGrad, cpu } from '@seq/tensor';
import { hostRandom } from './host.js';
import { adam, initModel, initTraining, logits, loss } from './model.js';
import { conditional, draw, entropy, symbols } from './source.js';
import { gateMixer } from './bites/gate.js';
import { cacheMixer } from './bites/cache.js';
import { recurrenceMixer } from './bites/recurrence.js';
const [B, T, steps, peak, C, lag] = process.argv.slice(3).map(Number) as number[];
const all: Record<string, () => any> = {
  gate: () => gateMixer({ dModel: C }), cache: () => cacheMixer({ dModel: C }), rec: () => recurrenceMixer({ dModel: C }),
  ema: async () => (await import('../../rnn/src/ema/index.js')).ema({ dModel: C }),
  gru: async () => (await import('../../rnn/src/gru/index.js')).gru({ dModel: C }),
  lstm: async () => (await import('../../rnn/src/lstm/index.js')).lstm({ dModel: C }),
  cnn: async () => (await import('../../conv/src/cnn/index.js')).cnn({ dModel: C } as any),
  attention: async () => (await import('../../attention/src/attention/index.js') as any).attention({ dModel: C, numHeads: 2, rope: {} }),
};
for (const name of process.argv[2]!.split(',')) {
  const mixer = await all[name]!();
  const place = { device: cpu(), dtype: 'f32' as const };
  const ints = (d: Int32Array, b = B) => tensor(d, { shape: [b!, T!], device: place.device });
  const task = (r: any, b = B!) => { const a = draw(r, b, T! + 1, lag!); const ids = new Int32Array(b * T!), tg = new Int32Array(b * T!).fill(-100); const truth: any[] = [];
    for (let i = 0; i < b; i++) for (let t = 0; t < T!; t++) { ids[i * T! + t] = a[i * (T! + 1) + t]!; truth.push(null); if (t + 1 >= lag!) { tg[i * T! + t] = a[i * (T! + 1) + t + 1]!; truth[i * T! + t] = conditional(a[i * (T! + 1) + t + 1 - lag!]!); } } return { ids, tg, truth }; };
  const r = hostRandom(1400);
  let tr: any = initTraining(initModel(mixer, symbols + 1, place));
  const step = compile((tr: any, ids: any, tg: any, rate: any, corr: any) => { const [, g] = valueAndGrad((m: any) => loss(mixer, m, ids, tg), tr.model); return adam(tr, g as any, rate, corr); }, { donate: [0] });
  const sc = (v: number) => tensor(Float32Array.of(v), { shape: [], device: place.device });
  const ev = task(hostRandom(7), 64);
  const t0 = performance.now(); const out: string[] = [];
  for (let i = 1; i <= steps!; i++) {
    const { ids, tg } = task(r);
    const warm = Math.min(1, i / 20) * 0.5 * (1 + Math.cos(Math.PI * i / steps!));
    tr = step(tr, ints(ids), ints(tg), sc(peak! * warm / (1 - 0.9 ** i)), sc(1 / (1 - 0.99 ** i)));
    if (i % Math.floor(steps! / 6) === 0) {
      const lq = await logSoftmax(logits(mixer, tr.model, ints(ev.ids, 64))).data(); let s = 0, h = 0, n = 0;
      ev.truth.forEach((p: any, k: number) => { if (!p) return; n++; h += entropy(p); p.forEach((q: number, v: number) => s -= q * lq[k * 5 + v]!); });
      out.push(((s - h) / n).toFixed(3));
    }
  }
  console.log(name.padEnd(10), out.join(' '), Math.round(performance.now() - t0), 'ms');
}
