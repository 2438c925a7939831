import { z } from 'zod';
import type { WorkingHours } from '../core/ports.ts';

const dayNames = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const dayKey = /^(mon|tue|wed|thu|fri|sat|sun)(?:-(mon|tue|wed|thu|fri|sat|sun))?$/;
const rangeText = /^([01]?\d|2[0-4]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)$/;
const dayMinutes = 24 * 60;

type Range = { readonly from: number; readonly to: number };

/**
 * Weekly hours as people write them: `mon-fri: 09:00-18:00`, `sat: [10:00-13:00, 14:00-16:00]`, `holidays: [2026-12-31]`.
 * A range may pass midnight (`22:00-06:00`); it belongs to the day it begins on.
 */
export const workingHoursSchema = z
  .object({ holidays: z.array(z.iso.date()).default([]) })
  .catchall(z.union([z.string(), z.array(z.string())]))
  .transform((written, context): WorkingHours => {
    const days: Record<number, Range[]> = {};
    for (const [key, hours] of Object.entries(written)) {
      if (key === 'holidays') continue;
      const fault = (message: string) => context.addIssue({ code: 'custom', path: [key], message });
      const named = dayKey.exec(key);
      if (named === null) {
        fault(`unknown day; write mon … sun, a span such as mon-fri, or holidays`);
        continue;
      }
      for (const text of Array.isArray(hours) ? hours : [hours]) {
        const range = parseRange(text);
        if (range === null) {
          fault(`'${text}' is not a time span; write 09:00-18:00`);
          continue;
        }
        for (const day of daysOf(named[1]!, named[2])) (days[day] ??= []).push(range);
      }
    }
    for (const ranges of Object.values(days)) ranges.sort((a, b) => a.from - b.from);
    return { days, holidays: written.holidays };
  });

function parseRange(text: string): Range | null {
  const match = rangeText.exec(text.trim());
  if (match === null) return null;
  const [fromHour, fromMinute, toHour, toMinute] = match.slice(1).map(Number) as [number, number, number, number];
  const range = { from: fromHour * 60 + fromMinute, to: toHour * 60 + toMinute };
  return range.from < dayMinutes && range.to <= dayMinutes && range.from !== range.to ? range : null;
}

function daysOf(first: string, last: string | undefined): number[] {
  const from = dayNames.indexOf(first);
  const to = last === undefined ? from : dayNames.indexOf(last);
  const count = ((to - from + 7) % 7) + 1;
  return Array.from({ length: count }, (_, index) => ((from + index) % 7) + 1);
}
