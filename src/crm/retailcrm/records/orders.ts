import { z } from 'zod';
import { Rejected } from '../../../core/errors.ts';
import type { NewLead } from '../../../core/ports.ts';
import type { RetailcrmAccount } from '../account.ts';
import { Refused, type RetailcrmApi } from '../api.ts';
import { createdSchema, extrasOf, orderSchema, toNumber, toOwnId } from '../mapping.ts';
import type { Customers } from './customers.ts';

const ours = ['name', 'contactId', 'responsibleId', 'pipelineId', 'statusId', 'tags'];

export interface OrdersParts {
  readonly api: RetailcrmApi;
  readonly account: RetailcrmAccount;
  readonly customers: Customers;
  readonly site: string | null;
  readonly orderMethod: string | null;
}

/** Orders are the CRM's leads; what rules call a pipeline is the order method here. */
export class Orders {
  readonly #parts: OrdersParts;

  constructor(parts: OrdersParts) {
    this.#parts = parts;
  }

  /** The customer's newest order that is not finished. */
  async findOpen(
    customerId: string,
    orderMethod: string | null,
  ): Promise<{ readonly id: string; readonly responsibleId: string | null } | null> {
    const { api, account } = this.#parts;
    const id = toNumber(customerId);
    if (id === null) return null;
    const closed = await account.closedStatuses();
    const list = { key: 'orders', item: orderSchema, query: { 'filter[customerId]': id }, atMostPages: 3 };
    for await (const page of api.pages('/orders', list)) {
      const newestFirst = [...page].sort((a, b) => (b.createdAt ?? '').localeCompare(a.createdAt ?? '') || b.id - a.id);
      const open = newestFirst.find(
        (order) => !closed.has(order.status ?? '') && (orderMethod === null || order.orderMethod === orderMethod),
      );
      if (open === undefined) continue;
      return { id: String(open.id), responsibleId: open.managerId ? String(open.managerId) : null };
    }
    return null;
  }

  /** One order per key: the CRM keeps its `externalId` unique. */
  async create(lead: NewLead, key: string): Promise<string> {
    const { api, customers, site } = this.#parts;
    if (lead.contactId !== null) await customers.require(lead.contactId);
    const externalId = toOwnId(key);
    const order = {
      externalId,
      managerComment: [lead.name, ...lead.tags.map((tag) => `#${tag}`)].join(' '),
      ...this.#fieldsOf(lead),
      ...(lead.pipelineId === null && this.#parts.orderMethod !== null ? { orderMethod: this.#parts.orderMethod } : {}),
      ...(lead.contactId === null ? {} : { customer: { id: toNumber(lead.contactId) } }),
      ...extrasOf(lead, ours),
    };
    try {
      return String((await api.post('/orders/create', createdSchema, { site, order })).id);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const schema = z.looseObject({ order: orderSchema });
      const made = await api.get(`/orders/${externalId}`, schema, { query: { by: 'externalId', site } });
      if (made === null) throw error;
      return String(made.order.id);
    }
  }

  async update(id: string, change: Partial<NewLead>): Promise<void> {
    const { api, site } = this.#parts;
    if (toNumber(id) === null) throw new Rejected(`there is no order ${id}`, { details: { order: `no order ${id}` } });
    const order = {
      ...(change.name === undefined ? {} : { managerComment: change.name }),
      ...this.#fieldsOf(change),
      ...extrasOf(change, ours),
    };
    await api.post(`/orders/${id}/edit`, z.looseObject({}), { by: 'id', site, order });
  }

  #fieldsOf({ responsibleId, statusId, pipelineId }: Partial<NewLead>): Record<string, unknown> {
    return {
      ...(toNumber(responsibleId ?? null) === null ? {} : { managerId: toNumber(responsibleId!) }),
      ...(statusId == null ? {} : { status: statusId }),
      ...(pipelineId == null ? {} : { orderMethod: pipelineId }),
    };
  }
}
