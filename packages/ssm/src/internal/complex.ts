import { cos, exp, matmul, mul, sin, sub } from '@seq/tensor';
import type { Complex, Tensor } from '@seq/tensor';

/** x y */
export function times(x: Complex, y: Complex): Complex {
  return {
    re: sub(mul(x.re, y.re), mul(x.im, y.im)),
    im: mul(x.re, y.im).add(mul(x.im, y.re)),
  };
}

/** s x for a real s. */
export function scaled(x: Complex, s: Tensor | number): Complex {
  return { re: mul(x.re, s), im: mul(x.im, s) };
}

/** e^z */
export function complexExp(z: Complex): Complex {
  const size = exp(z.re);
  return { re: size.mul(cos(z.im)), im: size.mul(sin(z.im)) };
}

/** x / y */
export function quotient(x: Complex, y: Complex): Complex {
  const size = y.re.square().add(y.im.square());
  const top = times(x, { re: y.re, im: y.im.neg() });
  return { re: top.re.div(size), im: top.im.div(size) };
}

/** The same function of both parts. */
export function mapParts(x: Complex, f: (part: Tensor) => Tensor): Complex {
  return { re: f(x.re), im: f(x.im) };
}

/** x Wᵀ for the last axis of a real x [..., I] and a complex W [O, I]. */
export function intoComplex(x: Tensor, W: Complex): Complex {
  const [O, I] = W.re.shape;
  const lead = x.shape.slice(0, -1);
  const flat = x.reshape([lead.reduce((a, b) => a * b, 1), I]);
  return mapParts(W, (part) => matmul(flat, part.transpose()).reshape([...lead, O]));
}

/** Re(x Wᵀ) for the last axis of a complex x [..., I] and W [O, I]. */
export function realOf(x: Complex, W: Complex): Tensor {
  const [O, I] = W.re.shape;
  const lead = x.re.shape.slice(0, -1);
  const rows = lead.reduce((a, b) => a * b, 1);
  const product = (a: Tensor, b: Tensor): Tensor => matmul(a.reshape([rows, I]), b.transpose());
  return product(x.re, W.re)
    .sub(product(x.im, W.im))
    .reshape([...lead, O]);
}
