CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 0100

CREATE TABLE config (
  key text PRIMARY KEY,
  value text NOT NULL
);

CREATE TABLE data_set (
  version int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('catalog', 'flex_discounts')),
  body text NOT NULL
);

CREATE TABLE partner (
  partner_id text PRIMARY KEY,
  version bigint NOT NULL DEFAULT 1,
  doc jsonb NOT NULL,
  catalog_version int NOT NULL REFERENCES data_set,
  discounts_version int NOT NULL REFERENCES data_set,
  clock_mode text NOT NULL CHECK (clock_mode IN ('system', 'frozen', 'running')),
  clock_at timestamptz NOT NULL,
  clock_real timestamptz NOT NULL,
  clock_rate double precision NOT NULL DEFAULT 1,
  settlement_mode text NOT NULL
    CHECK (settlement_mode IN ('auto', 'immediate', 'manual', 'delay')),
  settlement_delay int NOT NULL DEFAULT 0,
  faults_armed boolean NOT NULL DEFAULT false,
  closes_month_at timestamptz NOT NULL
);

CREATE TABLE credential (
  client_id text PRIMARY KEY,
  partner_id text NOT NULL REFERENCES partner ON DELETE CASCADE,
  secrets jsonb NOT NULL,
  scopes jsonb NOT NULL,
  role text NOT NULL CHECK (role IN ('full', 'read')),
  status text NOT NULL CHECK (status IN ('active', 'suspended', 'disabled')),
  origin text NOT NULL CHECK (origin IN ('operator', 'sandbox'))
);

CREATE TABLE reseller (
  reseller_id text PRIMARY KEY,
  partner_id text NOT NULL,
  status text NOT NULL,
  external_reference_id text NOT NULL,
  profile jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  version bigint NOT NULL,
  settle_at timestamptz,
  injected_status text
);

CREATE INDEX reseller_due ON reseller (partner_id, settle_at) WHERE status = '1002';

CREATE TABLE customer (
  customer_id text PRIMARY KEY,
  partner_id text NOT NULL,
  reseller_id text NOT NULL,
  status text NOT NULL,
  external_reference_id text NOT NULL,
  profile jsonb NOT NULL,
  created_at timestamptz NOT NULL,
  version bigint NOT NULL,
  settle_at timestamptz,
  injected_status text,
  coterm_date date,
  extended_term boolean NOT NULL,
  term int NOT NULL,
  term_started_at timestamptz,
  license_level text NOT NULL,
  consumables_level text NOT NULL,
  hvd_code text,
  tags jsonb NOT NULL,
  benefits jsonb NOT NULL,
  global_sales boolean NOT NULL,
  attempts int NOT NULL,
  parked_reason text,
  due_at timestamptz,
  due_phase smallint NOT NULL,
  due_kind text NOT NULL
);

CREATE INDEX customer_agenda ON customer (partner_id, due_at, due_phase, customer_id)
  WHERE due_at IS NOT NULL;

CREATE INDEX customer_of_partner ON customer (partner_id, customer_id);

CREATE INDEX customer_due ON customer (partner_id, settle_at) WHERE status = '1002';

CREATE INDEX customer_namesakes ON customer
  (partner_id, lower(profile #>> '{contacts,0,email}'));

CREATE TABLE contact (
  partner_id text NOT NULL,
  email text NOT NULL,
  first_name text NOT NULL,
  last_name text NOT NULL,
  PRIMARY KEY (partner_id, email)
);

CREATE TABLE deployment (
  deployment_id text PRIMARY KEY,
  customer_id text NOT NULL,
  partner_id text NOT NULL,
  status text NOT NULL,
  address jsonb NOT NULL,
  created_at timestamptz NOT NULL
);

CREATE INDEX deployment_of_customer ON deployment (customer_id, deployment_id);

CREATE TABLE orders (
  order_id text PRIMARY KEY,
  partner_id text NOT NULL,
  customer_id text NOT NULL,
  reseller_id text NOT NULL,
  order_type text NOT NULL,
  status text NOT NULL,
  source text NOT NULL,
  external_reference_id text NOT NULL,
  reference_order_id text NOT NULL,
  created_at timestamptz NOT NULL,
  lines jsonb NOT NULL,
  basis jsonb,
  completed_at timestamptz,
  run_at timestamptz,
  injected_status text,
  tracker_id text NOT NULL DEFAULT '',
  forced boolean NOT NULL DEFAULT false,
  quantity int NOT NULL,
  anniversary date
);

CREATE UNIQUE INDEX orders_of_anniversary ON orders (customer_id, anniversary)
  WHERE anniversary IS NOT NULL;

CREATE INDEX orders_history ON orders (customer_id, created_at DESC, order_id DESC)
  INCLUDE (order_type, status, reference_order_id, reseller_id);

-- Only what will come due by itself: else the planner, with statistics of a quiet hour, prefers it
-- to orders_pending where a customer's own orders are asked for, and reads the whole backlog.
CREATE INDEX orders_due ON orders (partner_id, run_at)
  WHERE status = '1002' AND run_at IS NOT NULL;

CREATE INDEX orders_pending ON orders (customer_id) INCLUDE (order_type, quantity)
  WHERE status = '1002';

CREATE TABLE subscription (
  subscription_id text PRIMARY KEY,
  customer_id text NOT NULL,
  partner_id text NOT NULL,
  product_key text NOT NULL,
  offer_id text NOT NULL,
  current_quantity int NOT NULL,
  used_quantity int NOT NULL,
  auto_renewal boolean NOT NULL,
  explicit_quantity int,
  created_at timestamptz NOT NULL,
  renewal_date date NOT NULL,
  status text NOT NULL,
  deployment_id text NOT NULL,
  currency text NOT NULL,
  own_line text NOT NULL,
  expired_on date,
  flex_codes jsonb NOT NULL,
  position int NOT NULL,
  tracker_id text NOT NULL DEFAULT ''
);

CREATE INDEX subscription_of_customer ON subscription (customer_id, position);

CREATE UNIQUE INDEX subscription_key ON subscription
  (customer_id, product_key, deployment_id, currency, own_line)
  WHERE status IN ('1000', '1002', '1009');

CREATE TABLE ledger_entry (
  customer_id text NOT NULL,
  version bigint NOT NULL,
  position int NOT NULL,
  partner_id text NOT NULL,
  subscription_id text NOT NULL,
  kind text NOT NULL,
  delta int NOT NULL,
  balance int NOT NULL,
  order_id text NOT NULL,
  line_number int NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (customer_id, version, position)
);

-- Only where a world is emptied do entries go, after the customers they belong to.
CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN
    IF TG_OP = 'DELETE' AND
      NOT EXISTS (SELECT 1 FROM customer c WHERE c.customer_id = OLD.customer_id)
      THEN RETURN OLD; END IF; RAISE EXCEPTION 'the ledger is append-only'; END $$;

CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON ledger_entry
  FOR EACH ROW EXECUTE FUNCTION refuse_ledger_change();

CREATE TRIGGER ledger_is_kept BEFORE TRUNCATE ON ledger_entry
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change();

CREATE TABLE redemption (
  partner_id text NOT NULL,
  customer_id text NOT NULL,
  discount_id text NOT NULL,
  code text NOT NULL,
  order_id text NOT NULL,
  line_number int NOT NULL,
  product_key text NOT NULL,
  redeemed_at timestamptz NOT NULL,
  one_time boolean NOT NULL,
  returned boolean NOT NULL,
  subscription_id text NOT NULL,
  PRIMARY KEY (order_id, line_number)
);

CREATE INDEX redemption_of_customer ON redemption (customer_id);

CREATE UNIQUE INDEX redemption_once ON redemption (partner_id, discount_id) WHERE one_time;

CREATE TABLE closed_code (
  partner_id text NOT NULL,
  code text NOT NULL,
  discount_id text NOT NULL,
  template_id text NOT NULL,
  segment text NOT NULL,
  customer_id text NOT NULL,
  expires_at timestamptz NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (partner_id, code)
);

CREATE TABLE discount_end (
  partner_id text NOT NULL,
  discount_id text NOT NULL,
  ends_at timestamptz NOT NULL,
  PRIMARY KEY (partner_id, discount_id)
);

CREATE TABLE idempotency (
  partner_id text NOT NULL,
  correlation_id text NOT NULL,
  path text NOT NULL,
  method text NOT NULL,
  fingerprint bytea NOT NULL,
  http_status smallint NOT NULL,
  body bytea NOT NULL,
  completed_at timestamptz NOT NULL,
  PRIMARY KEY (partner_id, correlation_id, path, method)
);

CREATE TABLE request_id (
  partner_id text NOT NULL,
  request_id text NOT NULL,
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (partner_id, request_id)
);

CREATE TABLE rate_bucket (
  client_id text PRIMARY KEY,
  tokens double precision NOT NULL,
  refilled_at timestamptz NOT NULL
);

CREATE SEQUENCE invoice_number MINVALUE 100000000 MAXVALUE 999999999 CYCLE;

CREATE TABLE reconciliation_file (
  partner_id text NOT NULL,
  month text NOT NULL,
  currency text NOT NULL,
  generated_at timestamptz NOT NULL,
  total numeric NOT NULL,
  row_count int NOT NULL,
  PRIMARY KEY (partner_id, month, currency)
);

CREATE TABLE reconciliation_row (
  partner_id text NOT NULL,
  month text NOT NULL,
  currency text NOT NULL,
  position int NOT NULL,
  cells jsonb NOT NULL,
  PRIMARY KEY (partner_id, month, currency, position)
);

CREATE TABLE event (
  sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  partner_id text NOT NULL,
  at timestamptz NOT NULL,
  kind text NOT NULL,
  customer_id text NOT NULL DEFAULT '',
  order_id text NOT NULL DEFAULT '',
  subscription_id text NOT NULL DEFAULT '',
  result text NOT NULL DEFAULT ''
);

CREATE INDEX event_of_partner ON event (partner_id, sequence);

CREATE TABLE fault (
  fault_id text PRIMARY KEY,
  partner_id text NOT NULL,
  position bigint GENERATED ALWAYS AS IDENTITY,
  match jsonb NOT NULL,
  effect jsonb NOT NULL,
  skip int NOT NULL,
  times int NOT NULL,
  met int NOT NULL,
  probability double precision NOT NULL,
  expires_at timestamptz
);

CREATE INDEX fault_of_partner ON fault (partner_id, position);

CREATE SEQUENCE order_id_block;

CREATE SEQUENCE return_id_block;

CREATE SEQUENCE account_id_block;

CREATE SEQUENCE deployment_id_block;

INSERT INTO alembic_version (version_num) VALUES ('0100') RETURNING alembic_version.version_num;

INSERT INTO config (key, value) VALUES ('schema_serves', '0100')
           ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value;

-- Running upgrade 0100 -> 0101

CREATE TABLE snapshot (
  snapshot_id text PRIMARY KEY,
  partner_id text NOT NULL REFERENCES partner ON DELETE CASCADE,
  position bigint GENERATED ALWAYS AS IDENTITY,
  name text NOT NULL,
  revision text NOT NULL,
  at timestamptz NOT NULL,
  clock timestamptz NOT NULL
);

CREATE TABLE snapshot_rows (
  snapshot_id text NOT NULL REFERENCES snapshot ON DELETE CASCADE,
  of_table text NOT NULL,
  rows text NOT NULL,
  PRIMARY KEY (snapshot_id, of_table)
);

ALTER TABLE snapshot_rows ALTER COLUMN rows SET STORAGE EXTERNAL;

UPDATE alembic_version SET version_num='0101' WHERE alembic_version.version_num = '0100';

INSERT INTO config (key, value) VALUES ('schema_serves', '0100')
           ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value;

