/** Operations of `fftConv` of [B, T, C] with filters as long as the sequence, as plans count them. */
export function fftConvFlops(B: number, T: number, C: number): number {
  const half = Math.max(1, Math.ceil((2 * T - 1) / 2));
  const h = Math.min(...[1, 3, 5].map((odd) => odd * 2 ** Math.max(0, Math.ceil(Math.log2(half / odd)))));
  const transform = 5 * h * Math.log2(h);
  // Rows and filters forwards, rows back, the product of the spectra.
  return C * ((B + 1) * (transform + 16 * (h + 1)) + B * (transform + 16 * h + 8) + 6 * B * (h + 1));
}
