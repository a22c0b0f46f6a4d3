import { grad, jit, nn, numpy as np } from '@jax-js/jax';
import type { Prepared } from './contender.js';
import type { Item } from './items.js';
import { joined } from './seq-model.js';

type Values = ReturnType<typeof np.array>;

/**
 * A GRU or LSTM layer over a whole sequence, composed of the library's operations; gates in PyTorch's order. With
 * gradients, those of Σ y² by all inputs, one behind the other.
 */
export function recurrentLayer({ operation, inputs }: Item): Prepared {
  const t = inputs.map(({ data, shape }) => np.array(data, { shape: [...shape] }));
  const [B, T, D] = inputs[0].shape;
  const H = inputs[2].shape[1];
  const isGru = operation.startsWith('gru');
  // A position is data: one program serves them all.
  const places = Array.from({ length: T }, (_, n) =>
    np.array(Int32Array.from({ length: B }, (_, b) => b * T + n)),
  );
  const project = jit((x: Values, w: Values, bi: Values): Values =>
    np.matmul(x.reshape([B * T, D]), np.swapaxes(w, 0, 1)).add(bi),
  );
  const step = jit((xg: Values, at: Values, h: Values, c: Values, r: Values, bh: Values): Values[] => {
    const g = np.take(xg, at, 0);
    const back = np.matmul(h.ref, np.swapaxes(r, 0, 1)).add(bh);
    if (isGru) {
      const [[xr, xz, xn], [hr, hz, hn]] = [np.split(g, 3, -1), np.split(back, 3, -1)];
      const z = nn.sigmoid(xz.add(hz));
      const n = np.tanh(xn.add(nn.sigmoid(xr.add(hr)).mul(hn)));
      return [n.ref.add(z.mul(h.sub(n))), c];
    }
    h.dispose();
    const [i, f, a, o] = np.split(g.add(back), 4, -1);
    const next = nn
      .sigmoid(f)
      .mul(c)
      .add(nn.sigmoid(i).mul(np.tanh(a)));
    return [nn.sigmoid(o).mul(np.tanh(next.ref)), next];
  });
  const outputs = ([x, w, r, bi, bh]: readonly Values[]): Values[] => {
    const xg = project(x, w, bi);
    let [h, c] = [np.zeros([B, H]), np.zeros([B, H])];
    const all = places.map((at) => {
      [h, c] = step(xg.ref, at.ref, h, c, r.ref, bh.ref);
      return h.ref;
    });
    for (const v of [xg, h, c, r, bh]) v.dispose();
    return all;
  };
  const loss = (...x: Values[]): Values =>
    outputs(x)
      .map((y) => np.square(y).sum())
      .reduce((a, b) => a.add(b));
  const gradients = grad(loss, { argnums: [0, 1, 2, 3, 4] }) as unknown as (...x: Values[]) => Values[];
  const wanted = operation.endsWith('Gradients');
  const once = (): Values[] => {
    const x = t.map((v) => v.ref);
    return wanted ? gradients(...x) : outputs(x);
  };
  return {
    async run() {
      const results = once();
      await results[results.length - 1].blockUntilReady();
      for (const y of results) y.dispose();
    },
    async read() {
      const parts = (await Promise.all(once().map((y) => y.data()))) as Float32Array[];
      if (wanted) return joined(parts);
      const y = new Float32Array(B * T * H);
      parts.forEach((row, n) => {
        for (let b = 0; b < B; b++) y.set(row.subarray(b * H, (b + 1) * H), (b * T + n) * H);
      });
      return y;
    },
    dispose: () => [...t, ...places].forEach((v) => v.dispose()),
  };
}
