import { Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { exampleResults } from './fixtures.js';
import { renderReport } from './report.js';

const html = renderReport(exampleResults(), 'npm run demo -- --seed 3');
const scripts = [...html.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map((match) => match[1]);
const markup = html.replace(/<script[^>]*>[\s\S]*?<\/script>/g, '').replace(/<style>[\s\S]*?<\/style>/, '');

describe('the report', () => {
  it('asks for nothing from elsewhere: no links, sources, imports or source maps', () => {
    expect(markup).not.toMatch(/\s(src|href|action|data|poster)\s*=/i);
    const style = /<style>([\s\S]*?)<\/style>/.exec(html)![1];
    expect(style).not.toMatch(/@import|url\(/i);
    expect(
      /sourceMappingURL|\bfetch\(|XMLHttpRequest|importScripts|import\(/.exec(scripts.join('\n'))?.[0],
    ).toBeUndefined();
    expect(markup).toContain(
      `content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"`,
    );
    // What is left of addresses are the banners of the chart library and its colour parser.
    const addresses = [...html.matchAll(/https?:\/\/[^\s"'*)]+/g)].map(([address]) => new URL(address).host);
    expect([...new Set(addresses)].sort()).toEqual(['github.com', 'www.chartjs.org']);
  });

  it('carries the chart library and the curves inside', () => {
    expect(scripts).toHaveLength(3);
    expect(scripts[1].slice(0, 200)).toContain('Chart.js v4');
    const data = JSON.parse(scripts[0]) as {
      models: { name: string; perStep: number; curve: unknown[] }[];
      floors: object;
    };
    expect(data.models.map(({ name, perStep }) => [name, perStep])).toEqual([
      ['gru', 16 * 64],
      ['lstm', 16 * 64],
    ]);
    expect(data.models[0].curve).toEqual([
      { step: 10, loss: 3.2 },
      { step: 20, loss: 2.9, validation: 2.95 },
    ]);
    expect(data.floors).toEqual({ unigram: 3.01, bigram: 2.4, trigram: 2.05 });
  });

  it('has scripts that parse', () => {
    for (const script of scripts.slice(1)) expect(() => new Script(script)).not.toThrow();
  });

  it('shows validation, costs, samples, floors and what is missing as plain HTML', () => {
    for (const part of [
      '2.110',
      '0.290',
      '-0.120',
      '110,976',
      '9.00 MiB',
      '712 M',
      '128',
      '235 k',
      'unigram floor (α = 1.2)',
      'cnn: interrupted, saved',
      'npm run demo -- --seed 3',
      '2 validation characters do not occur',
    ]) {
      expect(markup).toContain(part);
    }
    expect(markup).toContain(
      'Best: <b>gru</b> with 2.110 nats per character, 0.290 below the bigram floor of 2.400',
    );
  });

  it('escapes what a model or a file name could smuggle in', () => {
    expect(markup).toContain('Tom &amp; &lt;Jerry&gt;');
    expect(markup).toContain('whale &amp; the &lt;/script&gt;&lt;b&gt;sea&lt;/b&gt;');
  });

  it('is written for a run without results too', () => {
    expect(renderReport({ ...exampleResults(), models: [] }, 'x')).toContain('No model finished.');
  });
});
