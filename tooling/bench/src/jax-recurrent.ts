import { jit, nn, numpy as np } from '@jax-js/jax';
import type { Prepared } from './contender.js';
import type { Item } from './items.js';

type Values = ReturnType<typeof np.array>;

/** A GRU or LSTM layer over a whole sequence, composed of the library's operations; gates in PyTorch's order. */
export function recurrentLayer({ operation, inputs }: Item): Prepared {
  const t = inputs.map(({ data, shape }) => np.array(data, { shape: [...shape] }));
  const [B, T, D] = inputs[0].shape;
  const H = inputs[2].shape[1];
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
    if (operation === 'gru') {
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
  const once = (): Values[] => {
    const [x, w, r, bi, bh] = t.map((v) => v.ref);
    const xg = project(x, w, bi);
    let [h, c] = [np.zeros([B, H]), np.zeros([B, H])];
    const outputs = places.map((at) => {
      [h, c] = step(xg.ref, at.ref, h, c, r.ref, bh.ref);
      return h.ref;
    });
    for (const v of [xg, h, c, r, bh]) v.dispose();
    return outputs;
  };
  return {
    async run() {
      const outputs = once();
      await outputs[T - 1].blockUntilReady();
      for (const y of outputs) y.dispose();
    },
    async read() {
      const rows = (await Promise.all(once().map((y) => y.data()))) as Float32Array[];
      const y = new Float32Array(B * T * H);
      rows.forEach((row, n) => {
        for (let b = 0; b < B; b++) y.set(row.subarray(b * H, (b + 1) * H), (b * T + n) * H);
      });
      return y;
    },
    dispose: () => [...t, ...places].forEach((v) => v.dispose()),
  };
}
