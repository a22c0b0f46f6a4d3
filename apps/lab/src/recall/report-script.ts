import { percentChart } from '../percent-chart.js';

/** The script of the page of `recall`: accuracy over the number of pairs. */
export const recallScript = `${percentChart}
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);

  // A size is a colour, a mechanism a kind of line.
  const sizes = [...new Set(data.models.map((m) => m.size))].filter((d) => d !== null);
  const lines = data.models.map((m) => {
    const colour = m.size === null ? '#8c8c84' : palette[sizes.indexOf(m.size) % palette.length];
    return {
      label: m.title,
      data: m.accuracy.map((y, i) => ({ x: data.pairs[i], y: 100 * y })),
      borderColor: colour,
      backgroundColor: colour,
      borderWidth: m.size === null ? 3 : 2,
      borderDash: m.mechanism === 'linearAttention' ? [6, 4] : [],
      pointRadius: 3,
      tension: 0,
    };
  });
  percentChart('recall', lines, { chance: data.chance, title: 'pairs in the sequence', min: data.pairs[0], max: data.pairs.at(-1), at: data.pairs });
})();
`;
