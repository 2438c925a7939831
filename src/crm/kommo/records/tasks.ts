import type { NewTask } from '../../../core/ports.ts';
import { readAnswer, type KommoApi, type Query } from '../api.ts';
import type { Creations } from '../creations.ts';
import { createdSchema, extrasOf, taskSchema, toCardRef, toNumber, toSeconds, type EntityRef } from '../mapping.ts';

const urgency = 'delivery';
const ours = ['text', 'dueAt', 'responsibleId', 'contactId', 'leadId'];

export class KommoTasks {
  readonly #api: KommoApi;
  readonly #creations: Creations;
  readonly #taskType: number;

  constructor(parts: { readonly api: KommoApi; readonly creations: Creations; readonly taskType: number }) {
    this.#api = parts.api;
    this.#creations = parts.creations;
    this.#taskType = parts.taskType;
  }

  /** The oldest task of our type that is not done yet, of the lead or else of the contact. */
  async findOpen(about: Pick<NewTask, 'contactId' | 'leadId'>): Promise<string | null> {
    for (const ref of entitiesOf(about)) {
      const open = await this.#list({
        'filter[is_completed]': 0,
        'filter[entity_type]': ref.kind,
        'filter[entity_id]': [ref.id],
      });
      const ids = open.filter((task) => task.task_type_id === this.#taskType && task.is_completed !== true);
      const oldest = ids.map(({ id }) => id).sort((a, b) => a - b)[0];
      if (oldest !== undefined) return String(oldest);
    }
    return null;
  }

  create(task: NewTask, idempotencyKey: string): Promise<string> {
    const ref = entitiesOf(task)[0] ?? null;
    const responsible = toNumber(task.responsibleId);
    const completeTill = toSeconds(task.dueAt);
    return this.#creations.once(
      { kind: 'task', key: idempotencyKey, subject: ref === null ? null : `${ref.kind}/${ref.id}` },
      {
        recover: async () => {
          const where: Query =
            ref !== null
              ? { 'filter[entity_type]': ref.kind, 'filter[entity_id]': [ref.id] }
              : responsible !== null
                ? { 'filter[responsible_user_id]': [responsible] }
                : {};
          const tasks = await this.#list(where);
          for (const one of tasks.filter(
            ({ text, complete_till: till }) => text === task.text && till === completeTill,
          )) {
            if (!(await this.#creations.has('task', String(one.id)))) return String(one.id);
          }
          return null;
        },
        reuse: () => this.findOpen(task),
        create: async () => {
          const body = {
            text: task.text,
            complete_till: completeTill,
            task_type_id: this.#taskType,
            ...(ref === null ? {} : { entity_id: ref.id, entity_type: ref.kind }),
            ...(responsible === null ? {} : { responsible_user_id: responsible }),
            request_id: '0',
            ...extrasOf(task, ours),
          };
          const answer = await this.#api.write('POST', '/api/v4/tasks', [body], { urgency });
          return String(readAnswer(createdSchema('tasks'), answer, 'POST tasks'));
        },
      },
    );
  }

  async #list(query: Query) {
    const tasks = [];
    const list = { key: 'tasks', item: taskSchema, query };
    for await (const page of this.#api.pages('/api/v4/tasks', list, { urgency })) tasks.push(...page);
    return tasks;
  }
}

/** The lead first: a task about a lead stands there. */
function entitiesOf({ contactId, leadId }: Pick<NewTask, 'contactId' | 'leadId'>): EntityRef[] {
  const lead = toNumber(leadId);
  const card = contactId === null ? null : toCardRef(contactId);
  return [...(lead === null ? [] : [{ kind: 'leads', id: lead } as const]), ...(card === null ? [] : [card])];
}
