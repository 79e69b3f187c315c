CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.audit (
    id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    workspace character varying,
    key_id character varying,
    action character varying NOT NULL,
    resource character varying,
    status integer NOT NULL,
    request_id character varying NOT NULL
);
CREATE SEQUENCE public.audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.audit_id_seq OWNED BY public.audit.id;
CREATE TABLE public.datasets (
    name character varying NOT NULL,
    task character varying NOT NULL,
    positive character varying,
    upload character varying NOT NULL,
    upload_sha256 character varying NOT NULL,
    digest character varying,
    pack character varying,
    layout character varying,
    counts json NOT NULL,
    classes json NOT NULL,
    splits json NOT NULL,
    problems json NOT NULL,
    warnings json NOT NULL,
    id character varying NOT NULL,
    workspace character varying NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by character varying NOT NULL,
    state character varying NOT NULL,
    attempt integer NOT NULL,
    lease_owner character varying,
    lease_until timestamp with time zone,
    due_at timestamp with time zone,
    rung_at timestamp with time zone,
    losses integer NOT NULL,
    lost_workers integer NOT NULL,
    failure json,
    times json NOT NULL
);
CREATE TABLE public.deployments (
    workspace character varying NOT NULL,
    name character varying NOT NULL,
    version integer NOT NULL,
    task character varying NOT NULL,
    model_id character varying NOT NULL,
    operating_point json,
    created_at timestamp with time zone NOT NULL,
    created_by character varying NOT NULL
);
CREATE TABLE public.epochs (
    run_id character varying NOT NULL,
    epoch integer NOT NULL,
    record json NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE TABLE public.events (
    id bigint NOT NULL,
    sweep_id character varying NOT NULL,
    run_id character varying,
    kind character varying NOT NULL,
    data json NOT NULL,
    at timestamp with time zone NOT NULL
);
CREATE SEQUENCE public.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_id_seq OWNED BY public.events.id;
CREATE TABLE public.finishes (
    id character varying NOT NULL,
    state character varying NOT NULL,
    attempt integer NOT NULL,
    lease_owner character varying,
    lease_until timestamp with time zone,
    due_at timestamp with time zone,
    rung_at timestamp with time zone,
    losses integer NOT NULL,
    lost_workers integer NOT NULL,
    failure json,
    times json NOT NULL
);
CREATE TABLE public.heartbeats (
    worker character varying NOT NULL,
    queues character varying NOT NULL,
    at timestamp with time zone NOT NULL,
    facts json NOT NULL
);
CREATE TABLE public.idempotency (
    workspace character varying NOT NULL,
    route character varying NOT NULL,
    key character varying NOT NULL,
    body_sha256 character varying NOT NULL,
    status integer NOT NULL,
    location character varying,
    reply json NOT NULL,
    created_at timestamp with time zone NOT NULL
);
CREATE TABLE public.keys (
    id character varying NOT NULL,
    digest character varying NOT NULL,
    hint character varying NOT NULL,
    name character varying NOT NULL,
    role character varying NOT NULL,
    workspace character varying NOT NULL,
    created_at timestamp with time zone NOT NULL,
    revoked_at timestamp with time zone
);
CREATE TABLE public.ledger (
    dataset_id character varying NOT NULL,
    "position" integer NOT NULL,
    file character varying NOT NULL,
    fate character varying NOT NULL,
    code character varying,
    detail character varying,
    case_id character varying,
    subject character varying,
    label character varying,
    split character varying
);
CREATE TABLE public.models (
    task character varying NOT NULL,
    sweep_id character varying,
    run_id character varying,
    digest character varying NOT NULL,
    card json NOT NULL,
    files json NOT NULL,
    id character varying NOT NULL,
    workspace character varying NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by character varying NOT NULL
);
CREATE TABLE public.predictions (
    task character varying NOT NULL,
    model_id character varying NOT NULL,
    upload character varying,
    options json NOT NULL,
    reply json,
    id character varying NOT NULL,
    workspace character varying NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by character varying NOT NULL,
    state character varying NOT NULL,
    attempt integer NOT NULL,
    lease_owner character varying,
    lease_until timestamp with time zone,
    due_at timestamp with time zone,
    rung_at timestamp with time zone,
    losses integer NOT NULL,
    lost_workers integer NOT NULL,
    failure json,
    times json NOT NULL
);
CREATE TABLE public.registrations (
    sweep_id character varying NOT NULL,
    run_id character varying NOT NULL,
    id character varying NOT NULL,
    workspace character varying NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by character varying NOT NULL,
    state character varying NOT NULL,
    attempt integer NOT NULL,
    lease_owner character varying,
    lease_until timestamp with time zone,
    due_at timestamp with time zone,
    rung_at timestamp with time zone,
    losses integer NOT NULL,
    lost_workers integer NOT NULL,
    failure json,
    times json NOT NULL
);
CREATE TABLE public.runs (
    id character varying NOT NULL,
    sweep_id character varying NOT NULL,
    "position" integer NOT NULL,
    arm character varying NOT NULL,
    depth integer NOT NULL,
    scratch boolean NOT NULL,
    fraction double precision NOT NULL,
    seed integer NOT NULL,
    spec json,
    plan json NOT NULL,
    stop_reason character varying,
    epochs_done integer NOT NULL,
    validation json NOT NULL,
    seconds double precision NOT NULL,
    trainable_parameters integer NOT NULL,
    freeze_proof json,
    checkpoint character varying,
    weights character varying,
    measures character varying,
    test_measures character varying,
    state character varying NOT NULL,
    attempt integer NOT NULL,
    lease_owner character varying,
    lease_until timestamp with time zone,
    due_at timestamp with time zone,
    rung_at timestamp with time zone,
    losses integer NOT NULL,
    lost_workers integer NOT NULL,
    failure json,
    times json NOT NULL
);
CREATE TABLE public.sweeps (
    name character varying NOT NULL,
    dataset_id character varying NOT NULL,
    task character varying NOT NULL,
    backbone character varying NOT NULL,
    init character varying NOT NULL,
    policy character varying NOT NULL,
    recipe json NOT NULL,
    seeds json NOT NULL,
    fractions json NOT NULL,
    budget_minutes double precision,
    paused_at timestamp with time zone,
    cancel_requested_at timestamp with time zone,
    recommendation json,
    id character varying NOT NULL,
    workspace character varying NOT NULL,
    created_at timestamp with time zone NOT NULL,
    created_by character varying NOT NULL
);
ALTER TABLE ONLY public.audit ALTER COLUMN id SET DEFAULT nextval('public.audit_id_seq'::regclass);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
INSERT INTO alembic_version VALUES ('0001');
INSERT INTO audit VALUES (1, '2026-11-24 08:00:00.5+00', 'default', 'key_1', 'createSweep', 'swp_1', 202, 'req_1');
INSERT INTO datasets VALUES ('busi', 'classification', NULL, 'uploads/1', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 'packs/b.zip', 'class_folders', '{"files": 23, "cases": 22}', '{"benign": 12, "gr\u00fcn": 10}', '{"train": 16}', '[{"file": "x;y.png", "code": "unreadable", "detail": "100 % black"}]', '[]', 'ds_1', 'default', '2026-11-24 08:00:00.5+00', 'key_1', 'ready', 0, NULL, NULL, NULL, NULL, 0, 0, NULL, '{"queued": "2026-11-24T08:00:00.500000+00:00", "running": "2026-11-24T08:00:01.500000+00:00"}');
INSERT INTO deployments VALUES ('default', 'classification', 1, 'classification', 'mdl_1', '{"name": "youden", "threshold": 0.4}', '2026-11-24 08:00:00.5+00', 'key_1');
INSERT INTO epochs VALUES ('run_1', 1, '{"loss": 0.5}', '2026-11-24 08:00:00.5+00');
INSERT INTO events VALUES (1, 'swp_1', 'run_1', 'run', '{"state": "running"}', '2026-11-24 08:00:00.5+00');
INSERT INTO events VALUES (2, 'swp_1', NULL, 'sweep', '{"state": "running"}', '2026-11-24 08:00:00.5+00');
INSERT INTO finishes VALUES ('swp_1', 'queued', 0, NULL, NULL, NULL, NULL, 0, 0, NULL, '{"queued": "2026-11-24T08:00:00.500000+00:00", "running": "2026-11-24T08:00:01.500000+00:00"}');
INSERT INTO heartbeats VALUES ('host:1', 'io,predict', '2026-11-24 08:00:00.5+00', '{}');
INSERT INTO idempotency VALUES ('default', 'createSweep', 'k', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 202, '/v1/sweeps/swp_1', '{"id": "swp_1"}', '2026-11-24 08:00:00.5+00');
INSERT INTO keys VALUES ('key_1', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 'lt_abcde', 'admin', 'admin', 'default', '2026-11-24 08:00:00.5+00', NULL);
INSERT INTO ledger VALUES ('ds_1', 0, 'benign/1.png', 'used', NULL, NULL, 'case_000001', 's1', 'benign', 'train');
INSERT INTO models VALUES ('classification', 'swp_1', 'run_1', 'sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', '{"arm": "depth:1"}', '{"model.onnx": {"object": "models/c/model.onnx", "bytes": 3}}', 'mdl_1', 'default', '2026-11-24 08:00:00.5+00', 'key_1');
INSERT INTO predictions VALUES ('classification', 'mdl_1', NULL, '{}', '{"finding": {"label": "gr\u00fcn", "score": 0.9}}', 'prd_1', 'default', '2026-11-24 08:00:00.5+00', 'key_1', 'succeeded', 0, NULL, NULL, NULL, NULL, 0, 0, NULL, '{}');
INSERT INTO registrations VALUES ('swp_1', 'run_1', 'reg_1', 'default', '2026-11-24 08:00:00.5+00', 'key_1', 'queued', 0, NULL, NULL, NULL, NULL, 0, 0, NULL, '{}');
INSERT INTO runs VALUES ('run_1', 'swp_1', 0, 'depth:1', 1, false, 1, 0, NULL, '[{"layer": "head", "learning_rate": 0.003}]', NULL, 2, '{"auc": {"value": 0.91, "low": 0.87, "high": 0.95}}', 0, 0, '{"frozen_unchanged": true}', 'checkpoints/run_1/c.safetensors', NULL, NULL, NULL, 'succeeded', 2, NULL, NULL, NULL, NULL, 0, 0, NULL, '{"queued": "2026-11-24T08:00:00.500000+00:00", "running": "2026-11-24T08:00:01.500000+00:00"}');
INSERT INTO sweeps VALUES ('first', 'ds_1', 'classification', 'tiny', 'imagenet', 'exhaustive', '{"epochs": 2}', '[0]', '[1.0]', NULL, NULL, NULL, NULL, 'swp_1', 'default', '2026-11-24 08:00:00.5+00', 'key_1');
SELECT pg_catalog.setval('public.audit_id_seq', 1, false);
SELECT pg_catalog.setval('public.events_id_seq', 1, false);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.audit
    ADD CONSTRAINT pk_audit PRIMARY KEY (id);
ALTER TABLE ONLY public.datasets
    ADD CONSTRAINT pk_datasets PRIMARY KEY (id);
ALTER TABLE ONLY public.deployments
    ADD CONSTRAINT pk_deployments PRIMARY KEY (workspace, name, version);
ALTER TABLE ONLY public.epochs
    ADD CONSTRAINT pk_epochs PRIMARY KEY (run_id, epoch);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT pk_events PRIMARY KEY (id);
ALTER TABLE ONLY public.finishes
    ADD CONSTRAINT pk_finishes PRIMARY KEY (id);
ALTER TABLE ONLY public.heartbeats
    ADD CONSTRAINT pk_heartbeats PRIMARY KEY (worker);
ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT pk_idempotency PRIMARY KEY (workspace, route, key);
ALTER TABLE ONLY public.keys
    ADD CONSTRAINT pk_keys PRIMARY KEY (id);
ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT pk_ledger PRIMARY KEY (dataset_id, "position");
ALTER TABLE ONLY public.models
    ADD CONSTRAINT pk_models PRIMARY KEY (id);
ALTER TABLE ONLY public.predictions
    ADD CONSTRAINT pk_predictions PRIMARY KEY (id);
ALTER TABLE ONLY public.registrations
    ADD CONSTRAINT pk_registrations PRIMARY KEY (id);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT pk_runs PRIMARY KEY (id);
ALTER TABLE ONLY public.sweeps
    ADD CONSTRAINT pk_sweeps PRIMARY KEY (id);
ALTER TABLE ONLY public.keys
    ADD CONSTRAINT uq_keys_digest UNIQUE (digest);
ALTER TABLE ONLY public.models
    ADD CONSTRAINT uq_models_run_id UNIQUE (run_id);
ALTER TABLE ONLY public.registrations
    ADD CONSTRAINT uq_registrations_run_id UNIQUE (run_id);
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT uq_runs_sweep_id_position UNIQUE (sweep_id, "position");
CREATE INDEX ix_audit_workspace ON public.audit USING btree (workspace);
CREATE INDEX ix_datasets_state ON public.datasets USING btree (state);
CREATE INDEX ix_datasets_workspace ON public.datasets USING btree (workspace);
CREATE INDEX ix_events_sweep ON public.events USING btree (sweep_id, id);
CREATE INDEX ix_finishes_state ON public.finishes USING btree (state);
CREATE INDEX ix_keys_workspace ON public.keys USING btree (workspace);
CREATE INDEX ix_ledger_case_id ON public.ledger USING btree (case_id);
CREATE INDEX ix_models_sweep_id ON public.models USING btree (sweep_id);
CREATE INDEX ix_models_workspace ON public.models USING btree (workspace);
CREATE INDEX ix_predictions_state ON public.predictions USING btree (state);
CREATE INDEX ix_predictions_workspace ON public.predictions USING btree (workspace);
CREATE INDEX ix_registrations_state ON public.registrations USING btree (state);
CREATE INDEX ix_registrations_sweep_id ON public.registrations USING btree (sweep_id);
CREATE INDEX ix_registrations_workspace ON public.registrations USING btree (workspace);
CREATE INDEX ix_runs_state ON public.runs USING btree (state);
CREATE INDEX ix_runs_sweep_id ON public.runs USING btree (sweep_id);
CREATE INDEX ix_sweeps_dataset_id ON public.sweeps USING btree (dataset_id);
CREATE INDEX ix_sweeps_workspace ON public.sweeps USING btree (workspace);
ALTER TABLE ONLY public.deployments
    ADD CONSTRAINT fk_deployments_model_id_models FOREIGN KEY (model_id) REFERENCES public.models(id);
ALTER TABLE ONLY public.epochs
    ADD CONSTRAINT fk_epochs_run_id_runs FOREIGN KEY (run_id) REFERENCES public.runs(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.events
    ADD CONSTRAINT fk_events_sweep_id_sweeps FOREIGN KEY (sweep_id) REFERENCES public.sweeps(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.finishes
    ADD CONSTRAINT fk_finishes_id_sweeps FOREIGN KEY (id) REFERENCES public.sweeps(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT fk_ledger_dataset_id_datasets FOREIGN KEY (dataset_id) REFERENCES public.datasets(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.registrations
    ADD CONSTRAINT fk_registrations_sweep_id_sweeps FOREIGN KEY (sweep_id) REFERENCES public.sweeps(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.runs
    ADD CONSTRAINT fk_runs_sweep_id_sweeps FOREIGN KEY (sweep_id) REFERENCES public.sweeps(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.sweeps
    ADD CONSTRAINT fk_sweeps_dataset_id_datasets FOREIGN KEY (dataset_id) REFERENCES public.datasets(id);
