import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { EmployeeFields } from '../../core/contact-book.ts';
import { requireContactBook } from '../contact-book-door.ts';
import { notFound, parseInput } from '../fault.ts';
import { shortText } from '../query.ts';
import type { Door } from '../door.ts';

const minute = z.int().min(0).max(1440);
const span = z.strictObject({ from: minute, to: minute });
const employeeFields = {
  name: z.string().trim().min(1).max(500),
  extensions: z.array(z.string().regex(/^[0-9*#]{1,15}$/, 'is not an extension')).max(50),
  email: z.email().nullable(),
  deputies: z.array(shortText).max(50),
  mobile: z.string().trim().min(1).max(64).nullable(),
  isActive: z.boolean(),
  workingHours: z
    .strictObject({
      days: z.partialRecord(z.enum(['1', '2', '3', '4', '5', '6', '7']), z.array(span).max(24)),
      holidays: z.array(z.iso.date()).max(400),
    })
    .nullable(),
} satisfies Record<keyof EmployeeFields, z.ZodType>;
const newEmployee = z.strictObject({
  ...employeeFields,
  extensions: employeeFields.extensions.default([]),
  email: employeeFields.email.default(null),
  deputies: employeeFields.deputies.default([]),
  mobile: employeeFields.mobile.default(null),
  isActive: employeeFields.isActive.default(true),
  workingHours: employeeFields.workingHours.default(null),
});
const employeeChange = z.strictObject(employeeFields).partial();
const identity = z.strictObject({ id: shortText });

/** The built-in CRM's users with their extensions. */
export function addEmployeeRoutes(api: FastifyInstance, { parts }: Door): void {
  const book = () => requireContactBook(parts);

  api.get('/employees', async () => ({ items: await book().listEmployees() }));

  api.post('/employees', async (request, reply) => {
    const employee = await book().addEmployee(parseInput(newEmployee, request.body) as EmployeeFields);
    reply.code(201);
    return employee;
  });

  api.patch('/employees/:id', async (request) => {
    const { id } = parseInput(identity, request.params);
    const employee = await book().editEmployee(id, parseInput(employeeChange, request.body) as Partial<EmployeeFields>);
    if (employee === null) throw notFound('employee');
    return employee;
  });
}
