/** One idea a chart, its axes labelled, and the same figures as a table for whoever reads rather than looks. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { words } from '#consoles/admin/web/words.ts';
import { count, dayOf, shortDayOf } from './time.tsx';

export interface ChartProps {
  /** What is counted, for the axis and the table. */
  label: string;
  points: readonly { at: Date; value: number }[];
  /** How a moment is written; days when left out. */
  moment?: (at: Date) => string;
  /** Name of the colour; the accent when left out. */
  tone?: string;
}

const height = 200;

export function Chart({ label, points, moment = dayOf, tone = '--accent' }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    let plot = draw(element, { label, points, moment, tone });
    const again = () => {
      plot.destroy();
      plot = draw(element, { label, points, moment, tone });
    };
    const sized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
    sized.observe(element);
    const theme = matchMedia('(prefers-color-scheme: dark)');
    theme.addEventListener('change', again);
    return () => {
      theme.removeEventListener('change', again);
      sized.disconnect();
      plot.destroy();
    };
  }, [label, points, moment, tone]);
  return (
    <figure class="chart">
      <div ref={place} aria-hidden="true" />
      <details>
        <summary>{words.asTable}</summary>
        <table class="table">
          <caption class="unseen">{label}</caption>
          <thead>
            <tr>
              <th scope="col">{words.when}</th>
              <th scope="col" class="number">
                {label}
              </th>
            </tr>
          </thead>
          <tbody>
            {points.map(({ at, value }) => (
              <tr key={at.getTime()}>
                <td>{moment(at)}</td>
                <td class="number">{count(value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}

function draw(element: HTMLElement, { label, points, moment, tone }: Required<ChartProps>): uPlot {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line'), width: 1, size: 4 },
    font: '12px system-ui, sans-serif',
  };
  const bars = uPlot.paths.bars?.({ size: [0.7, 40], radius: 0.15 });
  return new uPlot(
    {
      width: element.clientWidth,
      height,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        // Half a step more at either end: bars stand around their moment, and the first and the last are whole as well.
        x: {
          range: (plot, least, most) => {
            const [first, second] = plot.data[0];
            if (first === undefined || second === undefined) return [least, most];
            const half = (second - first) / 2;
            return [least - half, most + half];
          },
        },
        y: { range: (_, __, most) => [0, Math.max(4, Math.ceil(most * 1.1))] },
      },
      axes: [
        {
          ...axis,
          values: (_, marks) =>
            marks.map((mark) => (moment === dayOf ? shortDayOf : moment)(new Date(mark * 1000))),
        },
        {
          ...axis,
          label,
          labelFont: axis.font,
          labelSize: 20,
          size: 44,
          incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 10_000],
        },
      ],
      series: [
        {},
        {
          label,
          stroke: colour(tone),
          fill: colour(tone),
          width: 0,
          paths: bars,
          points: { show: false },
        },
      ],
    },
    [points.map(({ at }) => at.getTime() / 1000), points.map(({ value }) => value)],
    element,
  );
}
