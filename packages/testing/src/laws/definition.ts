import type { Tensor } from '@seq/tensor';
import type { Mixer } from '@seq/nn';
import { hostRandom, sizeOf, toHost, toTensor } from '../host.js';
import type { HostArray } from '../host.js';
import { livelyParams, stageOf } from '../stage.js';
import type { Core, LawContext, Named } from '../types.js';
import { agree, broken, formTolerance, require, width } from './report.js';

const law = 'definition';

/** Outputs by name; a bare one is called y. */
export function namedTensors(outputs: Tensor | Named<Tensor>): Named<Tensor> {
  return isTensor(outputs) ? { y: outputs } : outputs;
}

/** Definition's outputs by name; a bare one is called y. */
export function namedArrays(outputs: Float64Array | Named<Float64Array>): Named<Float64Array> {
  return outputs instanceof Float64Array ? { y: outputs } : outputs;
}

function isTensor(x: Tensor | Named<Tensor>): x is Tensor {
  return typeof (x as Tensor).data === 'function' && Array.isArray((x as Tensor).shape);
}

/** Inputs of the core op at a length. */
export function coreInputs(core: Core, B: number, T: number): Named<HostArray> {
  return core.inputs({ B, T, random: hostRandom(500 + T) });
}

/**
 * The mechanism's op (and the mixer as a whole, where it has a definition) = `naive` in float64.
 *
 * Without `core` and `naive` a mixer is defined by its `step`, and the law agreement is all there is to say.
 */
export async function definition(mixer: Mixer, ctx: LawContext): Promise<void> {
  const { core, naive } = ctx;
  const B = 2;
  for (const dtype of ctx.on.dtypes) {
    const place = { device: ctx.device, dtype };
    const tolerance = formTolerance(ctx, dtype);
    for (const T of ctx.lengths.filter((n) => n > 0)) {
      const note = `${dtype}, B=${B}, T=${T}`;
      if (core) {
        const inputs = coreInputs(core, B, T);
        const tensors = Object.fromEntries(
          Object.entries(inputs).map(([name, host]) => [name, toTensor(host, place)]),
        );
        const got = namedTensors(core.op(tensors));
        const want = namedArrays(core.naive(inputs));
        for (const [name, output] of Object.entries(got)) {
          const data = want[name];
          if (!data)
            broken(ctx, law, `naive must give every output of the op, got no ${name}. Name outputs alike.`);
          require(ctx, law, data.length === sizeOf(output.shape), () =>
            `naive must give ${name} [${output.shape.join(', ')}], it gave ${data.length} numbers. [${note}]`);
          agree(
            ctx,
            law,
            `${name} of the op and of naive`,
            await toHost(output),
            { data, shape: output.shape },
            { tolerance, note },
          );
        }
      }
      if (naive) {
        const params = await livelyParams(mixer, ctx);
        const x = hostRandom(550 + T).normal([B, T, width(mixer)]);
        const byPath = Object.fromEntries(params.paths.map((path, i) => [path, params.leaves[i]]));
        const y = await stageOf(mixer, place, params).forward(x);
        agree(
          ctx,
          law,
          'forward and the naive mixer',
          y,
          { data: naive(byPath, x), shape: x.shape },
          { tolerance, note },
        );
      }
    }
  }
}
