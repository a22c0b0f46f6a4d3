import { exp, expandDims, log, neg, squeeze, swapAxes, tensor } from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';
import {
  bilinear,
  hippoLegs,
  lruScan,
  s4d,
  s4dKernel,
  s5Scan,
  diagonalKernel,
  zeroOrderHold,
} from '@seq/ssm';
import type { S4dSystem } from '@seq/ssm';
import { Unsupported } from '../adapter.js';
import type { Adapter, Inputs } from '../adapter.js';

/** The parts of a tensor with a last axis (re, im). */
function complex(x: Tensor): Complex {
  return { re: x.at(0, -1), im: x.at(1, -1) };
}

/** The rule a case names. */
function ruleOf(name: string | null): 'zoh' | 'bilinear' {
  if (name !== 'zoh' && name !== 'bilinear')
    throw new Unsupported(`the discretization is "${name}", known are zoh and bilinear`);
  return name;
}

/** S4DKernel's parameters; D where the layer has it. */
function s4dSystem(inputs: Inputs, prefix: string, D?: Tensor): S4dSystem {
  const logStep = inputs(`${prefix}log_dt`);
  return {
    logStep,
    logReal: inputs(`${prefix}log_A_real`),
    imag: inputs(`${prefix}A_imag`),
    C: complex(inputs(`${prefix}C`)),
    D: D ?? logStep.zeros(),
  };
}

/** S4DKernel of state-spaces/s4: K (H, L). */
export const s4dKernelAdapter: Adapter = (options) => {
  const L = options.number('L', NaN);
  const discretization = ruleOf(options.text('disc', 'zoh'));
  const [H, N] = [options.number('H', NaN), options.number('N', NaN)];
  options.says('note', /^N counts conjugate pairs: N\/2 complex modes stored; K = 2\*Re/);
  return {
    outputs(inputs) {
      const system = s4dSystem(inputs, 'param.');
      const [h, m] = system.imag.shape;
      if ((!Number.isNaN(H) && H !== h) || (!Number.isNaN(N) && N !== 2 * m))
        throw new Unsupported(`options H=${H}, N=${N} do not fit the parameters [${h}, ${m}]`);
      return { K: s4dKernel(system, L, { discretization }) };
    },
  };
};

/** kernel_zoh and kernel_bilinear of annotated-s4: all modes given, no factor 2. */
export const s4dKernelAnnotated: Adapter = (options) => {
  const L = options.number('L', NaN);
  const rule = ruleOf(options.text('disc', null));
  options.number('N', NaN);
  options.says('real', /^Re of the sum over the N given modes, no factor 2$/);
  return {
    outputs(inputs) {
      const [A, C] = [complex(inputs('in.A')), complex(inputs('in.C'))];
      const step = exp(inputs('in.log_step'));
      const row = (x: Complex): Complex => ({ re: expandDims(x.re, 0), im: expandDims(x.im, 0) });
      const { b } = (rule === 'zoh' ? zeroOrderHold : bilinear)(A, step);
      const cb = { re: C.re.mul(b.re).sub(C.im.mul(b.im)), im: C.re.mul(b.im).add(C.im.mul(b.re)) };
      if (rule === 'zoh') {
        const z = { re: A.re.mul(step), im: A.im.mul(step) };
        return { K: squeeze(diagonalKernel(row(z), row(cb), L), 0) };
      }
      // The same through s4dKernel, whose system has 2 Re and rates −e^logReal: for rates with negative real parts.
      const system = {
        logStep: expandDims(inputs('in.log_step'), 0),
        logReal: expandDims(log(neg(A.re)), 0),
        imag: expandDims(A.im, 0),
        C: row({ re: C.re.mul(0.5), im: C.im.mul(0.5) }),
        D: expandDims(step, 0).zeros(),
      };
      return { K: squeeze(s4dKernel(system, L, { discretization: 'bilinear' }), 0) };
    },
  };
};

/** The S4D layer without dropout, both layouts. */
export const s4dLayer: Adapter = (options) => {
  const transposed = options.flag('transposed', true);
  const N = options.number('d_state', 64);
  options.says('order', /^FFT conv, \+D\*u, exact GELU, 1x1 conv to 2H, GLU \(first half/);
  return {
    outputs(inputs) {
      const u = inputs('in.u');
      const x = transposed ? swapAxes(u, 1, 2) : u;
      const weight = inputs('param.output_linear.0.weight');
      const params = {
        system: s4dSystem(inputs, 'param.kernel.', inputs('param.D')),
        out: { weight: squeeze(weight, 2), bias: inputs('param.output_linear.0.bias') },
      };
      const y = s4d({ dModel: x.shape[2], stateDim: N }).forward(params, x);
      return { y: transposed ? swapAxes(y, 1, 2) : y };
    },
  };
};

/** S5SSM: discretisation, conjugate symmetry, both directions, clipping, other sample rates. */
export const s5Ssm: Adapter = (options) => {
  const o = {
    discretization: ruleOf(options.text('discretization', 'zoh')),
    conjSym: options.flag('conj_sym', true),
    clipEigs: options.flag('clip_eigs', false),
    stepRescale: options.number('step_rescale', 1),
  };
  const both = options.flag('bidirectional', false);
  return {
    outputs(inputs) {
      const u = expandDims(inputs('in.u'), 0);
      const system = (C: Tensor, D: Tensor) => ({
        lambda: { re: inputs('param.Lambda_re'), im: inputs('param.Lambda_im') },
        logStep: squeeze(inputs('param.log_step'), 1),
        B: complex(inputs('param.B')),
        C: complex(C),
        D,
      });
      const D = inputs('param.D');
      const forward = system(inputs(both ? 'param.C1' : 'param.C'), D);
      let y = s5Scan(u, forward, o)[0];
      if (both) y = y.add(s5Scan(u, system(inputs('param.C2'), D.zeros()), { ...o, reverse: true })[0]);
      return { y: squeeze(y, 0) };
    },
  };
};

/** LRU of minimal-LRU. */
export const lru: Adapter = (options) => {
  options.number('r_min', 0); // of the initialisation: the parameters are given
  options.number('r_max', 1);
  options.says('lam', /^exp\(-exp\(nu_log\)\+i exp\(theta_log\)\)$/);
  options.says('gamma', /^B scaled by exp\(gamma_log\), an independent parameter$/);
  return {
    outputs(inputs) {
      const part = (name: string): Complex => ({
        re: inputs(`param.${name}_re`),
        im: inputs(`param.${name}_im`),
      });
      const system = {
        nu: inputs('param.nu_log'),
        theta: inputs('param.theta_log'),
        gammaLog: inputs('param.gamma_log'),
        B: part('B'),
        C: part('C'),
        D: inputs('param.D'),
      };
      return { y: squeeze(lruScan(expandDims(inputs('in.x'), 0), system)[0], 0) };
    },
  };
};

/** make_HiPPO and make_NPLR_HiPPO: matrices in double, made on the host. */
export const hippoLegsAdapter: Adapter = (options) => {
  const N = options.number('N', NaN);
  return {
    outputs() {
      const { A, B, P, lambda } = hippoLegs(N);
      const f64 = { dtype: 'f64' } as const;
      const pairs = Float64Array.from({ length: 2 * N }, (_, i) => lambda[i % 2 ? 'im' : 're'][i >> 1]);
      return {
        A: tensor(A, { ...f64, shape: [N, N] }),
        B: tensor(B, f64),
        P: tensor(P, f64),
        Lambda: tensor(pairs, { ...f64, shape: [N, 2] }),
      };
    },
  };
};
