import type { CrmUser, Employee, WorkingHours } from './ports.ts';

const minutesPerDay = 24 * 60;
/** A chain of deputies longer than this is a mistake in the settings. */
const longestChain = 50;

/** What people and rules ask about the staff. */
export interface EmployeeDirectory {
  all(): readonly Employee[];
  byId(id: string): Employee | null;
  byExtension(extension: string): Employee | null;
  /** By the normalised number of the employee's mobile. */
  byMobile(number: string): Employee | null;
  byCrmUser(crm: string, userId: string): Employee | null;
  /** The CRM's user of an extension; null when the CRM knows none. */
  userIdOf(crm: string, extension: string): string | null;
  /** Whom to try when this one cannot: the own deputies in their order, then theirs; everyone once, never the employee. */
  deputiesOf(employee: Employee): readonly Employee[];
  isAtWork(employee: Employee, at: Date): boolean;
}

/**
 * The staff from the configuration and from the CRMs' user lists. A CRM's user is the employee who has one of his
 * extensions, else the one with his e-mail address, else the one with his id; a user who is none of these but has an
 * extension is an employee of his own. As long as a CRM's list is not known its user ids are taken for employees' ids.
 */
export class StaffDirectory implements EmployeeDirectory {
  #configured: readonly Employee[];
  readonly #timeZone: string;
  readonly #usersByCrm = new Map<string, readonly CrmUser[]>();
  #employees: readonly Employee[] = [];
  #byId = new Map<string, Employee>();
  #byExtension = new Map<string, Employee>();
  #byMobile = new Map<string, Employee>();
  #byUser = new Map<string, Employee>();
  #userIdByExtension = new Map<string, string>();

  /** `timeZone` is an IANA name (`Europe/Moscow`); throws a `RangeError` for an unknown one. Mobiles are normalised. */
  constructor(options: { readonly employees: readonly Employee[]; readonly timeZone: string }) {
    this.#configured = options.employees;
    this.#timeZone = options.timeZone;
    localMoment(new Date(0), options.timeZone);
    this.#rebuild();
  }

  /** Takes the complete list of employees in place of the one given at first. */
  setEmployees(employees: readonly Employee[]): void {
    this.#configured = employees;
    this.#rebuild();
  }

  /** Takes a CRM's complete user list in place of the one before. */
  setCrmUsers(crm: string, users: readonly CrmUser[]): void {
    this.#usersByCrm.set(crm, users);
    this.#rebuild();
  }

  all = () => this.#employees;
  byId = (id: string) => this.#byId.get(id) ?? null;
  byExtension = (extension: string) => this.#byExtension.get(extension) ?? null;
  byMobile = (number: string) => this.#byMobile.get(number) ?? null;
  byCrmUser = (crm: string, userId: string) =>
    (this.#usersByCrm.has(crm) ? this.#byUser.get(userKey(crm, userId)) : this.#byId.get(userId)) ?? null;
  userIdOf = (crm: string, extension: string) => this.#userIdByExtension.get(userKey(crm, extension)) ?? null;

  deputiesOf(employee: Employee): readonly Employee[] {
    const chain = [employee];
    // The array grows while it is walked: own deputies come first, then the deputies of the deputies.
    for (const member of chain) {
      for (const id of member.deputies) {
        const deputy = this.#byId.get(id);
        if (deputy && !chain.includes(deputy) && chain.length <= longestChain) chain.push(deputy);
      }
    }
    return chain.slice(1);
  }

  isAtWork(employee: Employee, at: Date): boolean {
    return employee.workingHours === null || isWithinHours(employee.workingHours, at, this.#timeZone);
  }

  #rebuild(): void {
    const employees = [...this.#configured];
    this.#byId = new Map();
    this.#byExtension = new Map();
    this.#byMobile = new Map();
    this.#byUser = new Map();
    this.#userIdByExtension = new Map();
    const byEmail = new Map<string, Employee>();
    const enter = (employee: Employee) => {
      this.#byId.set(employee.id, employee);
      for (const extension of employee.extensions) setOnce(this.#byExtension, extension, employee);
      if (employee.mobile) setOnce(this.#byMobile, employee.mobile, employee);
      if (employee.email) setOnce(byEmail, employee.email.toLowerCase(), employee);
    };
    // Who is at work here comes before who was: an extension of a dismissed employee is given to another.
    for (const isActive of [true, false]) employees.filter((each) => each.isActive === isActive).forEach(enter);

    for (const [crm, users] of this.#usersByCrm) {
      for (const user of [...users].sort((a, b) => Number(b.isActive) - Number(a.isActive))) {
        let employee =
          user.extensions.map(this.byExtension).find((found) => found !== null) ??
          (user.email === null ? undefined : byEmail.get(user.email.toLowerCase())) ??
          this.#byId.get(user.id);
        if (!employee) {
          if (user.extensions.length === 0) continue;
          employee = employeeOf(crm, user);
          employees.push(employee);
          enter(employee);
        }
        this.#byUser.set(userKey(crm, user.id), employee);
        if (!user.isActive) continue;
        for (const extension of [...user.extensions, ...employee.extensions]) {
          setOnce(this.#userIdByExtension, userKey(crm, extension), user.id);
        }
      }
    }
    this.#employees = employees;
  }
}

const userKey = (crm: string, id: string) => `${crm}\n${id}`;

function setOnce<Value>(map: Map<string, Value>, key: string, value: Value): void {
  if (!map.has(key)) map.set(key, value);
}

function employeeOf(crm: string, user: CrmUser): Employee {
  return {
    id: `${crm}:${user.id}`,
    name: user.name,
    extensions: user.extensions,
    email: user.email,
    deputies: [],
    mobile: null,
    isActive: user.isActive,
    workingHours: null,
  };
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** The date, weekday (Monday 1 … Sunday 7) and minute of the day that clocks in the zone show. */
function localMoment(
  at: Date,
  timeZone: string,
): { readonly day: Date; readonly weekday: number; readonly minute: number } {
  let format = formats.get(timeZone);
  if (!format) {
    const numeric = { year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' } as const;
    format = new Intl.DateTimeFormat('en-US', { timeZone, calendar: 'iso8601', hourCycle: 'h23', ...numeric });
    formats.set(timeZone, format);
  }
  const part = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  const day = new Date(Date.UTC(part['year']!, part['month']! - 1, part['day']!));
  return { day, weekday: day.getUTCDay() || 7, minute: part['hour']! * 60 + part['minute']! };
}

/**
 * True when the moment lies in the hours, by the clocks of the zone. A span whose end is not after its beginning, or
 * lies past 24:00, goes on into the next day; it is a holiday's when it begins on the holiday.
 */
export function isWithinHours(hours: WorkingHours, at: Date, timeZone: string): boolean {
  const { day, weekday, minute } = localMoment(at, timeZone);
  const dayBefore = new Date(day.getTime() - minutesPerDay * 60_000);
  const isHoliday = (date: Date) => hours.holidays.includes(date.toISOString().slice(0, 10));
  const spansOf = (number: number) =>
    (hours.days[number] ?? []).map(({ from, to }) => ({ from, to: to > from ? to : to + minutesPerDay }));
  const covers = (number: number, moment: number) =>
    spansOf(number).some(({ from, to }) => from <= moment && moment < to);
  return (
    (!isHoliday(day) && covers(weekday, minute)) ||
    (!isHoliday(dayBefore) && covers(weekday === 1 ? 7 : weekday - 1, minute + minutesPerDay))
  );
}
