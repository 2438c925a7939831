import type { Knex } from 'knex';

/**
 * The built-in CRM. Times are milliseconds since the epoch in UTC, lists are JSON text, ids grow with each row. Texts are
 * searched through `search_text`, folded by us, because SQLite knows lower case only for ASCII.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('local_users', (table) => {
    table.text('id').notNullable().primary();
    table.text('name').notNullable();
    table.text('email');
    table.text('mobile');
    table.text('deputies').notNullable();
    table.text('working_hours');
    table.boolean('is_active').notNullable();
    table.boolean('is_configured').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('updated_at').notNullable();
  });
  await knex.schema.createTable('local_user_extensions', (table) => {
    table.text('extension').notNullable().primary();
    table.integer('position').notNullable();
    table.text('user_id').notNullable().references('id').inTable('local_users').onDelete('CASCADE').index();
  });
  await knex.schema.createTable('local_contacts', (table) => {
    table.increments('id');
    table.text('name').notNullable();
    table.text('company');
    table.text('responsible_id').references('id').inTable('local_users').onDelete('SET NULL').index();
    table.text('tags').notNullable();
    table.text('search_text').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('updated_at').notNullable();
    table.index(['updated_at', 'id']);
    table.index(['name', 'id']);
  });
  await knex.schema.createTable('local_contact_numbers', (table) => {
    table.integer('contact_id').notNullable().references('id').inTable('local_contacts').onDelete('CASCADE');
    table.text('number').notNullable();
    table.integer('position').notNullable();
    table.text('suffix').index();
    table.primary(['contact_id', 'number']);
    table.index(['number']);
  });
  await knex.schema.createTable('local_leads', (table) => {
    table.increments('id');
    table.text('name').notNullable();
    table.integer('contact_id').references('id').inTable('local_contacts').onDelete('SET NULL');
    table.text('responsible_id').references('id').inTable('local_users').onDelete('SET NULL');
    table.text('pipeline_id').notNullable();
    table.text('status_id').notNullable();
    table.boolean('is_open').notNullable();
    table.text('tags').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('updated_at').notNullable();
    table.index(['contact_id', 'is_open']);
    table.index(['created_at', 'id']);
  });
  await knex.schema.createTable('local_incoming_leads', (table) => {
    table.increments('id');
    table.text('name').notNullable();
    table.text('number').notNullable();
    table.text('call_key').notNullable();
    table.bigInteger('started_at').notNullable();
    table.text('pipeline_id').notNullable();
    table.text('responsible_id').references('id').inTable('local_users').onDelete('SET NULL');
    table.text('state').notNullable();
    table.integer('contact_id').references('id').inTable('local_contacts').onDelete('SET NULL');
    table.integer('lead_id').references('id').inTable('local_leads').onDelete('SET NULL');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('updated_at').notNullable();
    table.index(['number', 'state']);
    table.index(['created_at', 'id']);
  });
  await knex.schema.createTable('local_tasks', (table) => {
    table.increments('id');
    table.text('text').notNullable();
    table.bigInteger('due_at').notNullable();
    table.text('responsible_id').references('id').inTable('local_users').onDelete('SET NULL');
    table.integer('contact_id').references('id').inTable('local_contacts').onDelete('SET NULL');
    table.integer('lead_id').references('id').inTable('local_leads').onDelete('SET NULL');
    table.boolean('is_from_call').notNullable();
    table.bigInteger('done_at');
    table.bigInteger('created_at').notNullable();
    table.bigInteger('updated_at').notNullable();
    table.index(['contact_id', 'done_at']);
    table.index(['due_at', 'id']);
  });
  await knex.schema.createTable('local_call_notes', (table) => {
    table.increments('id');
    table.text('source').notNullable();
    table.text('linked_id').notNullable();
    table.text('unique_id').notNullable();
    table.text('direction').notNullable();
    table.text('client');
    table.text('did');
    table.text('trunk');
    table.text('extension');
    table.text('result').notNullable();
    table.bigInteger('started_at').notNullable();
    table.bigInteger('answered_at');
    table.bigInteger('ended_at');
    table.integer('duration').notNullable();
    table.integer('waiting').notNullable();
    table.text('recording');
    table.text('forwarded_to');
    table.integer('contact_id').references('id').inTable('local_contacts').onDelete('SET NULL');
    table.integer('lead_id').references('id').inTable('local_leads').onDelete('SET NULL');
    table.text('responsible_id').references('id').inTable('local_users').onDelete('SET NULL');
    table.text('user_id').references('id').inTable('local_users').onDelete('SET NULL');
    table.bigInteger('created_at').notNullable();
    table.index(['contact_id', 'started_at']);
    table.index(['started_at', 'id']);
  });
  // One entity per kind and key.
  await knex.schema.createTable('local_idempotency_keys', (table) => {
    table.text('kind').notNullable();
    table.text('key').notNullable();
    table.integer('entity_id');
    table.primary(['kind', 'key']);
  });
  // Whoever makes something for a number holds its row until the end of the transaction.
  await knex.schema.createTable('local_number_locks', (table) => {
    table.text('number').notNullable().primary();
  });
}

export async function down(knex: Knex): Promise<void> {
  for (const table of [
    'local_number_locks',
    'local_idempotency_keys',
    'local_call_notes',
    'local_tasks',
    'local_incoming_leads',
    'local_leads',
    'local_contact_numbers',
    'local_contacts',
    'local_user_extensions',
    'local_users',
  ]) {
    await knex.schema.dropTableIfExists(table);
  }
}
