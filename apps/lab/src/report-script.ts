/** The script of the report: draws both charts from the JSON in the page. Runs in a browser, after Chart.js. */
export const pageScript = `
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const grey = '#9a9a92';

  const rows = [
    ...data.models.map((m, i) => ({ label: m.name, value: m.validation, colour: palette[i % palette.length] })),
    ...Object.entries(data.floors).map(([name, value]) => ({ label: name + ' floor', value, colour: grey })),
  ].sort((a, b) => a.value - b.value);
  new Chart(document.getElementById('bars'), {
    type: 'bar',
    data: { labels: rows.map((r) => r.label), datasets: [{ data: rows.map((r) => r.value), backgroundColor: rows.map((r) => r.colour), maxBarThickness: 24 }] },
    options: {
      indexAxis: 'y',
      plugins: { legend: { display: false }, tooltip: { callbacks: { label: (c) => c.parsed.x.toFixed(4) + ' nats/character' } } },
      scales: { x: { beginAtZero: true, title: { display: true, text: 'nats per character on the validation split' } } },
    },
  });

  const curves = data.models.flatMap((m, i) => {
    const colour = palette[i % palette.length];
    return [
      { label: m.name, data: m.curve.map((p) => ({ x: p.step * m.perStep, y: p.loss })), borderColor: colour, backgroundColor: colour, borderWidth: 2, pointRadius: 0, tension: 0 },
      { label: m.name + ' (validation)', data: m.curve.filter((p) => p.validation !== undefined).map((p) => ({ x: p.step * m.perStep, y: p.validation })), borderColor: colour, backgroundColor: colour, showLine: false, pointRadius: 4 },
    ];
  });
  const end = Math.max(1, ...data.models.map((m) => (m.curve.length ? m.curve[m.curve.length - 1].step * m.perStep : 0)));
  const floors = Object.entries(data.floors).map(([name, y]) => ({ label: name + ' floor', data: [{ x: 0, y }, { x: end, y }], borderColor: grey, borderDash: [6, 4], borderWidth: 1, pointRadius: 0 }));
  new Chart(document.getElementById('curves'), {
    type: 'line',
    data: { datasets: [...curves, ...floors] },
    options: {
      parsing: false,
      interaction: { mode: 'nearest', intersect: false },
      plugins: {
        legend: { labels: { filter: (item) => !item.text.includes('(validation)') }, onClick: (event, item, legend) => {
          const chart = legend.chart;
          const show = !chart.isDatasetVisible(item.datasetIndex);
          chart.data.datasets.forEach((d, i) => { if (d.label === item.text || d.label === item.text + ' (validation)') chart.setDatasetVisibility(i, show); });
          chart.update();
        } },
        tooltip: { callbacks: { label: (c) => c.dataset.label + ': ' + c.parsed.y.toFixed(3), title: (items) => items.length ? Math.round(items[0].parsed.x).toLocaleString('en') + ' characters' : '' } },
      },
      scales: {
        x: { type: 'linear', min: 0, max: end, title: { display: true, text: 'training characters read' }, ticks: { callback: (v) => (v >= 1e6 ? v / 1e6 + ' M' : v / 1e3 + ' k') } },
        y: { title: { display: true, text: 'nats per character' }, suggestedMax: Math.ceil(data.floors.unigram * 2) / 2 + 0.5 },
      },
    },
  });
})();
`;
