import type { z } from 'zod';

export interface FieldFault {
  readonly field: string;
  readonly message: string;
}

/** An answer that says no: becomes `{error: {code, message, fields}}` with this status. */
export class WebFault extends Error {
  override readonly name = 'WebFault';
  readonly status: number;
  /** Stable, for programs. */
  readonly code: string;
  readonly fields: readonly FieldFault[];
  constructor(status: number, code: string, message: string, fields: readonly FieldFault[] = []) {
    super(message);
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

export function notFound(what: string): WebFault {
  return new WebFault(404, 'not_found', `There is no such ${what}.`);
}

/** The value in its schema's form; throws a 400 that names every field that is wrong. */
export function parseInput<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const fields = result.error.issues.flatMap((issue): FieldFault[] => {
    if (issue.code === 'unrecognized_keys') return issue.keys.map((field) => ({ field, message: 'is not known here' }));
    return [{ field: issue.path.map(String).join('.') || 'body', message: issue.message }];
  });
  const names = fields.map(({ field, message }) => `${field}: ${message}`).join('; ');
  throw new WebFault(400, 'invalid_input', `The request is not valid: ${names}`, fields);
}
