import { employeesOf } from '../config.ts';
import type { Employee, PartStatus } from '../core/ports.ts';
import { Findings, type Finding } from '../doctor/finding.ts';
import { createPatient } from '../doctor/patient.ts';
import { NoControl, openControl } from '../installation/asterisk-control.ts';
import { dialplanSettings } from '../installation/dialplan.ts';
import { UserFault, type CliContext } from './context.ts';
import type { DialplanCommandParts } from './dialplan.ts';
import type { DoctorCommandParts } from './doctor.ts';
import { quietLog, systemClock } from './quiet-log.ts';
import { createServiceClient } from './service-client.ts';

/** What the dialplan commands need, from the configuration. */
export const dialplanParts: DialplanCommandParts = {
  readSettings: (context) => dialplanSettings(context.loadConfig().config),
  async openControl(context) {
    try {
      return await openControl(context.loadConfig().config, { clock: systemClock, log: quietLog });
    } catch (error) {
      throw error instanceof NoControl ? new UserFault(error.message) : error;
    }
  },
};

/** What the doctor looks at: the configuration, and the users of the built-in CRM while the service runs. */
export const doctorParts: DoctorCommandParts = {
  async readPatient(context) {
    const loaded = context.loadConfig();
    const configured = employeesOf(loaded.config);
    const employees = [...configured, ...(await listCrmEmployees(context))];
    const patient = createPatient({ loaded, employees, clock: systemClock, log: quietLog });
    return { ...patient, further: new Map([...patient.further, ['service', () => listComplaints(context)]]) };
  },
};

/** What the running service finds wrong: it has seen what no look from outside shows, such as extensions a CRM does not know. */
async function listComplaints(context: CliContext): Promise<readonly Finding[]> {
  const findings = new Findings('service');
  try {
    const { parts } = await createServiceClient(context).getAny<{ parts: readonly PartStatus[] }>('/status');
    for (const { part, health, message } of parts) {
      if (health === 'ok') continue;
      const text = `${part}: ${message}`;
      const mend = 'ringledger status shows it as long as it lasts.';
      if (health === 'error') findings.error(text, mend);
      else findings.warning(text, mend);
    }
    if (findings.isClean) findings.ok('runs, and finds nothing wrong');
  } catch (error) {
    if (!(error instanceof UserFault)) throw error;
    findings.unknown('does not run, or does not answer', 'Start it, and ask again: systemctl start ringledger');
  }
  return findings.list;
}

/** Before the first start there is no service to ask, and none of its users. */
async function listCrmEmployees(context: CliContext): Promise<readonly Employee[]> {
  try {
    return (await createServiceClient(context).get<{ items: Employee[] }>('/api/v1/employees')).items;
  } catch (error) {
    if (error instanceof UserFault) return [];
    throw error;
  }
}
