import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { taskSortColumns, type TaskFields } from '../../core/contact-book.ts';
import { requireContactBook } from '../contact-book-door.ts';
import { notFound, parseInput } from '../fault.ts';
import { bodyMoment, pageQuery, pageRequest, shortText, truth } from '../query.ts';
import type { Door } from '../door.ts';

const taskQuery = z.strictObject({
  ...pageQuery(taskSortColumns, 'asc'),
  responsibleId: shortText.optional(),
  contactId: shortText.optional(),
  done: truth.optional(),
});
const taskFields = {
  text: z.string().trim().min(1).max(5000),
  dueAt: bodyMoment,
  responsibleId: shortText.nullable(),
  contactId: shortText.nullable(),
  leadId: shortText.nullable(),
} satisfies Record<keyof TaskFields, z.ZodType>;
const newTask = z.strictObject({
  ...taskFields,
  responsibleId: taskFields.responsibleId.default(null),
  contactId: taskFields.contactId.default(null),
  leadId: taskFields.leadId.default(null),
});
const taskChange = z.strictObject(taskFields).partial();
const identity = z.strictObject({ id: shortText });

/** The built-in CRM's tasks. */
export function addTaskRoutes(api: FastifyInstance, { parts }: Door): void {
  const book = () => requireContactBook(parts);

  api.get('/tasks', async (request) => {
    const { sort, limit, after, done, ...rest } = parseInput(taskQuery, request.query);
    return book().listTasks({ ...pageRequest({ sort, limit, after }), ...rest, isDone: done });
  });

  api.post('/tasks', async (request, reply) => {
    const task = await book().addTask(parseInput(newTask, request.body));
    reply.code(201);
    return task;
  });

  api.patch('/tasks/:id', async (request) => {
    const { id } = parseInput(identity, request.params);
    const task = await book().editTask(id, parseInput(taskChange, request.body));
    if (task === null) throw notFound('task');
    return task;
  });

  api.post('/tasks/:id/complete', async (request) => {
    const { id } = parseInput(identity, request.params);
    const task = await book().completeTask(id);
    if (task === null) throw notFound('task');
    return task;
  });
}
