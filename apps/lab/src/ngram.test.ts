import { describe, expect, it } from 'vitest';
import { evaluateNGram, fitNGram, leaveOneOut, logProbability, ngramFloors } from './ngram.js';

const tokens = Int32Array.of(0, 1, 0, 1, 0);

describe('add-α n-grams', () => {
  it('counts a unigram: c(0) = 3, c(1) = 2, so p(0) = (3 + 1) / (5 + 2)', () => {
    const model = fitNGram(tokens, { order: 1, vocabSize: 2, alpha: 1 });
    expect(Math.exp(logProbability(model, tokens, 0))).toBeCloseTo(4 / 7, 12);
    expect(Math.exp(logProbability(model, tokens, 1))).toBeCloseTo(3 / 7, 12);
  });

  it('counts a bigram: 0 is followed by 1 twice and never by 0', () => {
    const model = fitNGram(tokens, { order: 2, vocabSize: 2, alpha: 1 });
    expect(Math.exp(logProbability(model, Int32Array.of(0, 1), 1))).toBeCloseTo(3 / 4, 12);
    expect(Math.exp(logProbability(model, Int32Array.of(0, 0), 1))).toBeCloseTo(1 / 4, 12);
  });

  it('counts a trigram and gives 1/V after a context it never saw', () => {
    const model = fitNGram(tokens, { order: 3, vocabSize: 2, alpha: 1 });
    expect(Math.exp(logProbability(model, Int32Array.of(0, 1, 0), 2))).toBeCloseTo(3 / 4, 12);
    expect(Math.exp(logProbability(model, Int32Array.of(1, 0, 1), 2))).toBeCloseTo(2 / 3, 12);
    expect(Math.exp(logProbability(model, Int32Array.of(0, 0, 1), 2))).toBeCloseTo(1 / 2, 12);
  });

  it('gives probabilities that sum to one after every context', () => {
    const text = Int32Array.from({ length: 500 }, (_, i) => (i * i + 3 * i) % 7);
    for (const order of [1, 2, 3] as const) {
      const model = fitNGram(text, { order, vocabSize: 7 });
      for (const context of [
        [0, 4],
        [6, 6],
        [2, 1],
      ]) {
        const sum = Array.from({ length: 7 }, (_, k) =>
          Math.exp(logProbability(model, Int32Array.of(...context, k), 2)),
        ).reduce((a, b) => a + b);
        expect(sum).toBeCloseTo(1, 12);
      }
    }
  });

  it('averages over all positions from start, with contexts before it', () => {
    const model = fitNGram(tokens, { order: 2, vocabSize: 2, alpha: 1 });
    // 0→1 with 3/4, then 1→1 with 1/4.
    expect(evaluateNGram(model, Int32Array.of(1, 0, 1, 1), 2)).toBeCloseTo(
      -(Math.log(3 / 4) + Math.log(1 / 4)) / 2,
      12,
    );
  });
});

describe('the choice of α', () => {
  it('has the leave-one-out likelihood of a hand count: every position (2 − 1 + 1) / (2 − 1 + 2)', () => {
    expect(leaveOneOut(fitNGram(tokens, { order: 2, vocabSize: 2, alpha: 1 }), 1)).toBeCloseTo(
      -Math.log(2 / 3),
      12,
    );
  });

  it('finds the maximum: five of one symbol and one of another give 5/(4+α) + 1/α = 12/(5+2α), so α = 2', () => {
    expect(fitNGram(Int32Array.of(0, 0, 0, 1, 0, 0), { order: 1, vocabSize: 2 }).alpha).toBeCloseTo(2, 4);
  });

  it('agrees with leaving each position out by hand', () => {
    const text = Int32Array.of(0, 2, 1, 0, 2, 2, 1, 0, 1, 2, 0, 2, 1);
    const alpha = 0.3;
    const model = fitNGram(text, { order: 2, vocabSize: 3, alpha });
    let sum = 0;
    for (let i = 1; i < text.length; i++) {
      const pairs = new Map(model.pairs);
      const contexts = new Map(model.contexts);
      const pair = text[i - 1] * 3 + text[i];
      pairs.set(pair, pairs.get(pair)! - 1);
      contexts.set(text[i - 1], contexts.get(text[i - 1])! - 1);
      sum -= logProbability({ ...model, pairs, contexts }, text, i);
    }
    expect(leaveOneOut(model, alpha)).toBeCloseTo(sum / (text.length - 1), 12);
  });

  it('does not look beyond the cut', () => {
    const text = Int32Array.from({ length: 400 }, (_, i) => (i * 7 + ((i * i) % 5)) % 6);
    const other = text.slice();
    other.fill(0, 300);
    const [a, b] = [ngramFloors(text, 300, 6), ngramFloors(other, 300, 6)];
    expect(a.bigram.alpha).toBe(b.bigram.alpha);
    expect(a.trigram.alpha).toBe(b.trigram.alpha);
    expect(a.bigram.nats).not.toBe(b.bigram.nats);
  });
});
