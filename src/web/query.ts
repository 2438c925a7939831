/** The shapes that several routes share: pages, sorting, dates, lists and truth values in a query string. */
import { z } from 'zod';
import type { PageRequest } from '../core/ledger-queries.ts';
import { endOfLocal, momentOfLocal } from './local-time.ts';

/** `sort=startedAt` ascending, `sort=-startedAt` descending; the first column, descending or not, is the default. */
export function pageQuery<Column extends string>(
  columns: readonly [Column, ...Column[]],
  defaultOrder: 'asc' | 'desc',
) {
  const choices = columns.flatMap((column) => [column, `-${column}`]);
  const usual = defaultOrder === 'desc' ? `-${columns[0]}` : columns[0];
  return {
    sort: z.enum(choices, `must be one of ${choices.join(', ')}`).default(usual),
    limit: z.coerce
      .number('must be a number')
      .int('must be a whole number')
      .min(1, 'must be at least 1')
      .max(500, 'must be at most 500')
      .default(50),
    after: z.string().min(1).max(1000).optional(),
  };
}

export function pageRequest<Column extends string>(query: {
  sort: string;
  limit: number;
  after?: string | undefined;
}): PageRequest<Column> {
  const isDescending = query.sort.startsWith('-');
  return {
    sort: (isDescending ? query.sort.slice(1) : query.sort) as Column,
    order: isDescending ? 'desc' : 'asc',
    limit: query.limit,
    after: query.after ?? null,
  };
}

export const truth = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true');

/** A moment with its offset (`2026-11-21T08:00:00Z`, `…+03:00`); a `+` that became a blank on the way is put back. */
export const moment = z
  .string()
  .transform((text) => text.replace(/ (?=\d\d:?\d\d$)/, '+'))
  .pipe(z.iso.datetime({ offset: true, error: 'must be a time such as 2026-11-21T08:00:00Z' }))
  .transform((text) => new Date(text));

/** A moment in a JSON body. */
export const bodyMoment = z.iso
  .datetime({ offset: true, error: 'must be a time such as 2026-11-21T08:00:00Z' })
  .transform((text) => new Date(text));

/**
 * Where a span of time begins and ends, in a query string or a body: a moment with its offset, or by the clocks of the
 * installation a day (`2026-11-21`) or a time (`2026-11-21T14:00`). A day at the end is wholly within the span; a time is not.
 */
export function spanOf(timeZone: string) {
  const edge = (read: (text: string, timeZone: string) => Date | null) =>
    z.string().transform((text, context) => {
      const local = read(text, timeZone);
      if (local !== null) return local;
      const asked = moment.safeParse(text);
      if (asked.success) return asked.data;
      const message = 'must be a day such as 2026-11-21, or a time such as 2026-11-21T14:00 or 2026-11-21T08:00:00Z';
      context.issues.push({ code: 'custom', message, input: text });
      return z.NEVER;
    });
  return { from: edge(momentOfLocal), to: edge(endOfLocal) };
}

/** `answered,missed` */
export function listOf<Choice extends string>(choices: readonly [Choice, ...Choice[]]) {
  return z
    .string()
    .transform((text) => text.split(','))
    .pipe(
      z
        .array(z.enum(choices, `must be of ${choices.join(', ')}, joined by commas`))
        .min(1)
        .max(choices.length),
    );
}

export const shortText = z.string().min(1).max(200);

/** A number as typed into a URL, where a leading `+` arrives as a blank. */
export const typedNumber = z
  .string()
  .min(1)
  .max(64)
  .transform((text) => text.replace(/^ /, '+'));
