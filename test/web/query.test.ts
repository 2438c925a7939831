import assert from 'node:assert/strict';
import fc from 'fast-check';
import { z } from 'zod';
import { pageQuery, pageRequest } from '../../src/web/query.ts';

describe('the query of a list', () => {
  const columns = ['startedAt', 'duration'] as const;
  const schema = z.strictObject(pageQuery(columns, 'desc'));

  it('lets no text but the offered columns through to sorting, of 10,000 tried', () => {
    const allowed = new Set(['startedAt', '-startedAt', 'duration', '-duration']);
    const nearMiss = fc.tuple(fc.constantFrom(...allowed), fc.string({ maxLength: 12 })).map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), nearMiss, fc.constantFrom(...Object.getOwnPropertyNames(Object.prototype))),
        (sort) => {
          const result = schema.safeParse({ sort });
          assert.equal(result.success, allowed.has(sort));
          if (result.success) assert.ok((columns as readonly string[]).includes(pageRequest(result.data).sort));
        },
      ),
      { numRuns: 10_000 },
    );
  });

  it('keeps pages between 1 and 500 rows', () => {
    for (const limit of ['0', '501', '-1', '1.5', 'many', '1e9', ''])
      assert.equal(schema.safeParse({ limit }).success, false, limit);
    assert.equal(schema.parse({ limit: '500' }).limit, 500);
    assert.deepEqual(pageRequest(schema.parse({})), { sort: 'startedAt', order: 'desc', limit: 50, after: null });
  });
});
