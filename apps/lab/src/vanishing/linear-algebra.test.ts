import { describe, expect, it } from 'vitest';
import { spectralNorm, spectralRadius } from './linear-algebra.js';

const matrix = (...rows: number[][]) => ({ data: Float64Array.from(rows.flat()), size: rows.length });
/** A rotation by an angle, times a factor: all singular values and all moduli of eigenvalues are the factor. */
const rotation = (angle: number, factor: number) =>
  matrix(
    [factor * Math.cos(angle), -factor * Math.sin(angle)],
    [factor * Math.sin(angle), factor * Math.cos(angle)],
  );

describe('spectralNorm', () => {
  it('is the largest singular value', () => {
    expect(spectralNorm(matrix([3, 0], [0, -5]))).toBeCloseTo(5, 5);
    expect(spectralNorm(rotation(0.3, 0.7))).toBeCloseTo(0.7, 5);
    // Rank one, u vᵀ: |u| |v|.
    expect(spectralNorm(matrix([3, 4], [6, 8]))).toBeCloseTo(Math.sqrt(5) * 5, 4);
    // Σ σ² = 15 and Π σ² = det² = 25, so σ² = (15 ± √(15² − 4 · 25)) / 2.
    expect(spectralNorm(matrix([1, 1], [-2, 3]))).toBeCloseTo(Math.sqrt((15 + Math.sqrt(125)) / 2), 4);
  });

  it('holds for numbers whose squares f64 cannot hold', () => {
    expect(spectralNorm(matrix([3e-200, 0], [0, 4e-200])) / 4e-200).toBeCloseTo(1, 4);
    expect(spectralNorm(matrix([0, 0], [0, 0]))).toBe(0);
  });
});

describe('spectralRadius', () => {
  it('is the largest modulus of an eigenvalue', () => {
    expect(spectralRadius(rotation(1, 0.9))).toBeCloseTo(0.9, 5);
    expect(spectralRadius(matrix([0.5, 100], [0, -0.8]))).toBeCloseTo(0.8, 5);
    expect(spectralRadius(matrix([0, 4], [1, 0]))).toBeCloseTo(2, 5);
  });

  it('is 0 for a nilpotent matrix, whatever its norm', () => {
    expect(spectralRadius(matrix([0, 7], [0, 0]))).toBe(0);
  });
});
