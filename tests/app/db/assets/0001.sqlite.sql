CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version VALUES('0001');
CREATE TABLE audit (
	id INTEGER NOT NULL, 
	at DATETIME NOT NULL, 
	workspace VARCHAR, 
	key_id VARCHAR, 
	action VARCHAR NOT NULL, 
	resource VARCHAR, 
	status INTEGER NOT NULL, 
	request_id VARCHAR NOT NULL, 
	CONSTRAINT pk_audit PRIMARY KEY (id)
);
INSERT INTO audit VALUES(1,'2026-11-24 08:00:00.500000','default','key_1','createSweep','swp_1',202,'req_1');
CREATE TABLE datasets (
	name VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	positive VARCHAR, 
	upload VARCHAR NOT NULL, 
	upload_sha256 VARCHAR NOT NULL, 
	digest VARCHAR, 
	pack VARCHAR, 
	layout VARCHAR, 
	counts JSON NOT NULL, 
	classes JSON NOT NULL, 
	splits JSON NOT NULL, 
	problems JSON NOT NULL, 
	warnings JSON NOT NULL, 
	id VARCHAR NOT NULL, 
	workspace VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	attempt INTEGER NOT NULL, 
	lease_owner VARCHAR, 
	lease_until DATETIME, 
	due_at DATETIME, 
	rung_at DATETIME, 
	losses INTEGER NOT NULL, 
	lost_workers INTEGER NOT NULL, 
	failure JSON, 
	times JSON NOT NULL, 
	CONSTRAINT pk_datasets PRIMARY KEY (id)
);
INSERT INTO datasets VALUES('busi','classification',NULL,'uploads/1','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb','packs/b.zip','class_folders','{"files": 23, "cases": 22}','{"benign": 12, "gr\u00fcn": 10}','{"train": 16}','[{"file": "x;y.png", "code": "unreadable", "detail": "100 % black"}]','[]','ds_1','default','2026-11-24 08:00:00.500000','key_1','ready',0,NULL,NULL,NULL,NULL,0,0,NULL,'{"queued": "2026-11-24T08:00:00.500000+00:00", "running": "2026-11-24T08:00:01.500000+00:00"}');
CREATE TABLE deployments (
	workspace VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	task VARCHAR NOT NULL, 
	model_id VARCHAR NOT NULL, 
	operating_point JSON, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	CONSTRAINT pk_deployments PRIMARY KEY (workspace, name, version), 
	CONSTRAINT fk_deployments_model_id_models FOREIGN KEY(model_id) REFERENCES models (id)
);
INSERT INTO deployments VALUES('default','classification',1,'classification','mdl_1','{"name": "youden", "threshold": 0.4}','2026-11-24 08:00:00.500000','key_1');
CREATE TABLE epochs (
	run_id VARCHAR NOT NULL, 
	epoch INTEGER NOT NULL, 
	record JSON NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_epochs PRIMARY KEY (run_id, epoch), 
	CONSTRAINT fk_epochs_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO epochs VALUES('run_1',1,'{"loss": 0.5}','2026-11-24 08:00:00.500000');
CREATE TABLE events (
	id INTEGER NOT NULL, 
	sweep_id VARCHAR NOT NULL, 
	run_id VARCHAR, 
	kind VARCHAR NOT NULL, 
	data JSON NOT NULL, 
	at DATETIME NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (id), 
	CONSTRAINT fk_events_sweep_id_sweeps FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE CASCADE
);
INSERT INTO events VALUES(1,'swp_1','run_1','run','{"state": "running"}','2026-11-24 08:00:00.500000');
INSERT INTO events VALUES(2,'swp_1',NULL,'sweep','{"state": "running"}','2026-11-24 08:00:00.500000');
CREATE TABLE finishes (
	id VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	attempt INTEGER NOT NULL, 
	lease_owner VARCHAR, 
	lease_until DATETIME, 
	due_at DATETIME, 
	rung_at DATETIME, 
	losses INTEGER NOT NULL, 
	lost_workers INTEGER NOT NULL, 
	failure JSON, 
	times JSON NOT NULL, 
	CONSTRAINT pk_finishes PRIMARY KEY (id), 
	CONSTRAINT fk_finishes_id_sweeps FOREIGN KEY(id) REFERENCES sweeps (id) ON DELETE CASCADE
);
INSERT INTO finishes VALUES('swp_1','queued',0,NULL,NULL,NULL,NULL,0,0,NULL,'{"queued": "2026-11-24T08:00:00.500000+00:00", "running": "2026-11-24T08:00:01.500000+00:00"}');
CREATE TABLE heartbeats (
	worker VARCHAR NOT NULL, 
	queues VARCHAR NOT NULL, 
	at DATETIME NOT NULL, 
	facts JSON NOT NULL, 
	CONSTRAINT pk_heartbeats PRIMARY KEY (worker)
);
INSERT INTO heartbeats VALUES('host:1','io,predict','2026-11-24 08:00:00.500000','{}');
CREATE TABLE idempotency (
	workspace VARCHAR NOT NULL, 
	route VARCHAR NOT NULL, 
	"key" VARCHAR NOT NULL, 
	body_sha256 VARCHAR NOT NULL, 
	status INTEGER NOT NULL, 
	location VARCHAR, 
	reply JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_idempotency PRIMARY KEY (workspace, route, "key")
);
INSERT INTO idempotency VALUES('default','createSweep','k','eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',202,'/v1/sweeps/swp_1','{"id": "swp_1"}','2026-11-24 08:00:00.500000');
CREATE TABLE keys (
	id VARCHAR NOT NULL, 
	digest VARCHAR NOT NULL, 
	hint VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	role VARCHAR NOT NULL, 
	workspace VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	revoked_at DATETIME, 
	CONSTRAINT pk_keys PRIMARY KEY (id), 
	CONSTRAINT uq_keys_digest UNIQUE (digest)
);
INSERT INTO keys VALUES('key_1','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd','lt_abcde','admin','admin','default','2026-11-24 08:00:00.500000',NULL);
CREATE TABLE ledger (
	dataset_id VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	file VARCHAR NOT NULL, 
	fate VARCHAR NOT NULL, 
	code VARCHAR, 
	detail VARCHAR, 
	case_id VARCHAR, 
	subject VARCHAR, 
	label VARCHAR, 
	split VARCHAR, 
	CONSTRAINT pk_ledger PRIMARY KEY (dataset_id, position), 
	CONSTRAINT fk_ledger_dataset_id_datasets FOREIGN KEY(dataset_id) REFERENCES datasets (id) ON DELETE CASCADE
);
INSERT INTO ledger VALUES('ds_1',0,'benign/1.png','used',NULL,NULL,'case_000001','s1','benign','train');
CREATE TABLE models (
	task VARCHAR NOT NULL, 
	sweep_id VARCHAR, 
	run_id VARCHAR, 
	digest VARCHAR NOT NULL, 
	card JSON NOT NULL, 
	files JSON NOT NULL, 
	id VARCHAR NOT NULL, 
	workspace VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (id), 
	CONSTRAINT uq_models_run_id UNIQUE (run_id)
);
INSERT INTO models VALUES('classification','swp_1','run_1','sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc','{"arm": "depth:1"}','{"model.onnx": {"object": "models/c/model.onnx", "bytes": 3}}','mdl_1','default','2026-11-24 08:00:00.500000','key_1');
CREATE TABLE predictions (
	task VARCHAR NOT NULL, 
	model_id VARCHAR NOT NULL, 
	upload VARCHAR, 
	options JSON NOT NULL, 
	reply JSON, 
	id VARCHAR NOT NULL, 
	workspace VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	attempt INTEGER NOT NULL, 
	lease_owner VARCHAR, 
	lease_until DATETIME, 
	due_at DATETIME, 
	rung_at DATETIME, 
	losses INTEGER NOT NULL, 
	lost_workers INTEGER NOT NULL, 
	failure JSON, 
	times JSON NOT NULL, 
	CONSTRAINT pk_predictions PRIMARY KEY (id)
);
INSERT INTO predictions VALUES('classification','mdl_1',NULL,'{}','{"finding": {"label": "gr\u00fcn", "score": 0.9}}','prd_1','default','2026-11-24 08:00:00.500000','key_1','succeeded',0,NULL,NULL,NULL,NULL,0,0,NULL,'{}');
CREATE TABLE registrations (
	sweep_id VARCHAR NOT NULL, 
	run_id VARCHAR NOT NULL, 
	id VARCHAR NOT NULL, 
	workspace VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	attempt INTEGER NOT NULL, 
	lease_owner VARCHAR, 
	lease_until DATETIME, 
	due_at DATETIME, 
	rung_at DATETIME, 
	losses INTEGER NOT NULL, 
	lost_workers INTEGER NOT NULL, 
	failure JSON, 
	times JSON NOT NULL, 
	CONSTRAINT pk_registrations PRIMARY KEY (id), 
	CONSTRAINT fk_registrations_sweep_id_sweeps FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE CASCADE, 
	CONSTRAINT uq_registrations_run_id UNIQUE (run_id)
);
INSERT INTO registrations VALUES('swp_1','run_1','reg_1','default','2026-11-24 08:00:00.500000','key_1','queued',0,NULL,NULL,NULL,NULL,0,0,NULL,'{}');
CREATE TABLE runs (
	id VARCHAR NOT NULL, 
	sweep_id VARCHAR NOT NULL, 
	position INTEGER NOT NULL, 
	arm VARCHAR NOT NULL, 
	depth INTEGER NOT NULL, 
	scratch BOOLEAN NOT NULL, 
	fraction DOUBLE NOT NULL, 
	seed INTEGER NOT NULL, 
	spec JSON, 
	"plan" JSON NOT NULL, 
	stop_reason VARCHAR, 
	epochs_done INTEGER NOT NULL, 
	validation JSON NOT NULL, 
	seconds DOUBLE NOT NULL, 
	trainable_parameters INTEGER NOT NULL, 
	freeze_proof JSON, 
	checkpoint VARCHAR, 
	weights VARCHAR, 
	measures VARCHAR, 
	test_measures VARCHAR, 
	state VARCHAR NOT NULL, 
	attempt INTEGER NOT NULL, 
	lease_owner VARCHAR, 
	lease_until DATETIME, 
	due_at DATETIME, 
	rung_at DATETIME, 
	losses INTEGER NOT NULL, 
	lost_workers INTEGER NOT NULL, 
	failure JSON, 
	times JSON NOT NULL, 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT fk_runs_sweep_id_sweeps FOREIGN KEY(sweep_id) REFERENCES sweeps (id) ON DELETE CASCADE, 
	CONSTRAINT uq_runs_sweep_id_position UNIQUE (sweep_id, position)
);
INSERT INTO runs VALUES('run_1','swp_1',0,'depth:1',1,0,1.0,0,NULL,'[{"layer": "head", "learning_rate": 0.003}]',NULL,2,'{"auc": {"value": 0.91, "low": 0.87, "high": 0.95}}',0.0,0,'{"frozen_unchanged": true}','checkpoints/run_1/c.safetensors',NULL,NULL,NULL,'succeeded',2,NULL,NULL,NULL,NULL,0,0,NULL,'{"queued": "2026-11-24T08:00:00.500000+00:00", "running": "2026-11-24T08:00:01.500000+00:00"}');
CREATE TABLE sweeps (
	name VARCHAR NOT NULL, 
	dataset_id VARCHAR NOT NULL, 
	task VARCHAR NOT NULL, 
	backbone VARCHAR NOT NULL, 
	init VARCHAR NOT NULL, 
	policy VARCHAR NOT NULL, 
	recipe JSON NOT NULL, 
	seeds JSON NOT NULL, 
	fractions JSON NOT NULL, 
	budget_minutes DOUBLE, 
	paused_at DATETIME, 
	cancel_requested_at DATETIME, 
	recommendation JSON, 
	id VARCHAR NOT NULL, 
	workspace VARCHAR NOT NULL, 
	created_at DATETIME NOT NULL, 
	created_by VARCHAR NOT NULL, 
	CONSTRAINT pk_sweeps PRIMARY KEY (id), 
	CONSTRAINT fk_sweeps_dataset_id_datasets FOREIGN KEY(dataset_id) REFERENCES datasets (id)
);
INSERT INTO sweeps VALUES('first','ds_1','classification','tiny','imagenet','exhaustive','{"epochs": 2}','[0]','[1.0]',NULL,NULL,NULL,NULL,'swp_1','default','2026-11-24 08:00:00.500000','key_1');
CREATE INDEX ix_audit_workspace ON audit (workspace);
CREATE INDEX ix_datasets_state ON datasets (state);
CREATE INDEX ix_datasets_workspace ON datasets (workspace);
CREATE INDEX ix_keys_workspace ON keys (workspace);
CREATE INDEX ix_models_sweep_id ON models (sweep_id);
CREATE INDEX ix_models_workspace ON models (workspace);
CREATE INDEX ix_predictions_state ON predictions (state);
CREATE INDEX ix_predictions_workspace ON predictions (workspace);
CREATE INDEX ix_ledger_case_id ON ledger (case_id);
CREATE INDEX ix_sweeps_dataset_id ON sweeps (dataset_id);
CREATE INDEX ix_sweeps_workspace ON sweeps (workspace);
CREATE INDEX ix_events_sweep ON events (sweep_id, id);
CREATE INDEX ix_finishes_state ON finishes (state);
CREATE INDEX ix_registrations_state ON registrations (state);
CREATE INDEX ix_registrations_sweep_id ON registrations (sweep_id);
CREATE INDEX ix_registrations_workspace ON registrations (workspace);
CREATE INDEX ix_runs_state ON runs (state);
CREATE INDEX ix_runs_sweep_id ON runs (sweep_id);
