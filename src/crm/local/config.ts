import { z } from 'zod';

const statusConfig = z.strictObject({
  id: z.string().min(1),
  name: z.string().min(1),
  isClosed: z.boolean().default(false).describe('A lead in this status is finished: a new call does not belong to it'),
});

const pipelineConfig = z
  .strictObject({
    id: z.string().min(1),
    name: z.string().min(1),
    statuses: z.array(statusConfig).min(1).describe('New leads get the first one'),
  })
  .superRefine((pipeline, context) => {
    if (pipeline.statuses[0]?.isClosed) {
      context.addIssue({ code: 'custom', path: ['statuses', 0], message: 'the first status must not be closed' });
    }
    if (new Set(pipeline.statuses.map((status) => status.id)).size < pipeline.statuses.length) {
      context.addIssue({ code: 'custom', path: ['statuses'], message: 'two statuses have the same id' });
    }
  });

/** The `local` CRM's settings. Its records live in the service's own database. */
export const localCrmConfig = z
  .strictObject({
    pipelines: z
      .array(pipelineConfig)
      .min(1)
      .default([
        {
          id: 'sales',
          name: 'Sales',
          statuses: [
            { id: 'new', name: 'New', isClosed: false },
            { id: 'in_progress', name: 'In progress', isClosed: false },
            { id: 'won', name: 'Won', isClosed: true },
            { id: 'lost', name: 'Lost', isClosed: true },
          ],
        },
      ])
      .describe('Pipelines of leads; the first one is the default'),
  })
  .prefault({})
  .superRefine((config, context) => {
    if (new Set(config.pipelines.map((pipeline) => pipeline.id)).size < config.pipelines.length) {
      context.addIssue({ code: 'custom', path: ['pipelines'], message: 'two pipelines have the same id' });
    }
  });

export type LocalCrmConfig = z.output<typeof localCrmConfig>;
