/** The script of the page of `vanishing`: gradient norms over distance, and training curves of the remedies. */
export const vanishingScript = `
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);

  // A model is a solid line of what was measured and a dashed one with the slope of its theory.
  const pairs = data.decay.flatMap((m, i) => {
    const colour = palette[i % palette.length];
    const solid = m.logNorm.map((y, k) => ({ x: k + 1, y: y === null ? NaN : y }));
    const from = m.logNorm[m.fitFrom - 1];
    const dashed = from === null || m.theory === null ? [] : [m.fitFrom, data.distance].map((x) => ({ x, y: from + m.theory * (x - m.fitFrom) }));
    const line = { borderColor: colour, backgroundColor: colour, pointRadius: 0, tension: 0 };
    return [
      { ...line, label: m.title, data: solid, borderWidth: 2 },
      { ...line, label: m.title + ' (theory)', data: dashed, borderWidth: 1.5, borderDash: [5, 4] },
    ];
  });
  const together = (event, item, legend) => {
    const chart = legend.chart;
    const show = !chart.isDatasetVisible(item.datasetIndex);
    chart.data.datasets.forEach((d, i) => { if (d.label === item.text || d.label === item.text + ' (theory)') chart.setDatasetVisibility(i, show); });
    chart.update();
  };
  new Chart(document.getElementById('decay'), {
    type: 'line',
    data: { datasets: pairs },
    options: {
      parsing: false,
      interaction: { mode: 'nearest', intersect: false },
      plugins: {
        legend: { onClick: together, labels: { boxHeight: 2, filter: (item) => !item.text.endsWith('(theory)') } },
        tooltip: { callbacks: { title: (items) => (items.length ? 'distance ' + items[0].parsed.x : ''), label: (c) => c.dataset.label + ': ' + c.parsed.y.toFixed(2) } },
      },
      scales: {
        x: { type: 'linear', min: 0, max: data.distance, title: { display: true, text: 'distance T − t, in positions' } },
        y: { min: data.lowest, title: { display: true, text: 'log of the norm of dh_T/dh_t, nats' } },
      },
    },
  });

  const curves = data.remedies.map((m, i) => {
    const colour = palette[i % palette.length];
    return { label: m.title, data: m.curve.map((p) => ({ x: p.step, y: p.loss })), borderColor: colour, backgroundColor: colour, borderWidth: 2, pointRadius: 0, tension: 0 };
  });
  const floor = { label: 'always 1', data: [{ x: 0, y: data.baseline }, { x: data.steps, y: data.baseline }], borderColor: '#9a9a92', backgroundColor: '#9a9a92', borderDash: [6, 4], borderWidth: 1.5, pointRadius: 0 };
  new Chart(document.getElementById('remedies'), {
    type: 'line',
    data: { datasets: [...curves, floor] },
    options: {
      parsing: false,
      interaction: { mode: 'nearest', intersect: false },
      plugins: {
        legend: { labels: { boxHeight: 2 } },
        tooltip: { callbacks: { title: (items) => (items.length ? 'step ' + items[0].parsed.x : ''), label: (c) => c.dataset.label + ': ' + c.parsed.y.toPrecision(3) } },
      },
      scales: {
        x: { type: 'linear', min: 0, max: data.steps, title: { display: true, text: 'training steps' } },
        y: { type: 'logarithmic', max: 1, title: { display: true, text: 'mean squared error' }, ticks: { callback: (v) => (/^[13]/.test((v * 1e6).toPrecision(1)) ? String(Number(v.toPrecision(1))) : '') } },
      },
    },
  });
})();
`;
