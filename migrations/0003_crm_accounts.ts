import type { Knex } from 'knex';

/**
 * What adapters of outside CRMs must keep and share between nodes. Times are milliseconds since the epoch; `crm` is the
 * configured name of the CRM.
 */
export async function up(knex: Knex): Promise<void> {
  // Tokens, encrypted. `code_digest` tells which authorisation code they came from.
  await knex.schema.createTable('crm_tokens', (table) => {
    table.text('crm').notNullable().primary();
    table.text('sealed').notNullable();
    table.text('code_digest');
    table.bigInteger('updated_at').notNullable();
  });
  // What was begun to be made in a CRM and what came of it; `entity_id` is null until the answer is known.
  await knex.schema.createTable('crm_creations', (table) => {
    table.text('crm').notNullable();
    table.text('kind').notNullable();
    table.text('key').notNullable();
    /** Whom it is about: two keys with one subject must not make the same thing twice. */
    table.text('subject');
    table.text('entity_id');
    table.bigInteger('started_at').notNullable();
    table.primary(['crm', 'kind', 'key']);
    table.index(['crm', 'kind', 'subject', 'started_at'], 'crm_creations_by_subject');
    table.index(['crm', 'kind', 'entity_id'], 'crm_creations_by_entity');
  });
  // Who is at work on what; a node that dies holds its locks until they run out.
  await knex.schema.createTable('crm_locks', (table) => {
    table.text('name').notNullable().primary();
    table.text('owner').notNullable();
    table.bigInteger('held_until').notNullable();
  });
  // When the next request of an account may be sent, by the database's clock.
  await knex.schema.createTable('crm_request_slots', (table) => {
    table.text('crm').notNullable().primary();
    table.bigInteger('next_at').notNullable();
  });
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ['crm_request_slots', 'crm_locks', 'crm_creations', 'crm_tokens']) {
    await knex.schema.dropTableIfExists(table);
  }
}
