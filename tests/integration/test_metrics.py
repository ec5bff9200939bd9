"""/metrics of a manager that runs jobs: promtool finds nothing wrong with it, a real Prometheus scrapes it in both
formats, and every expression of packaging/ is answered with data by that Prometheus, or has none for the reason that is
named here."""

import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest
import yaml

from checker.jobs import make_job
from checker.run import PATIENCE, Run, wait_for
from integration.conftest import ROOT, short_folder
from integration.test_health import get, served_at, set_top
from integration.test_reload import ask_reload, change, reload, says, texts
from integration.test_run import wait_for_trace

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
# Of GitLab Runner's and fleeting's families (coordinator-protocol.md 6.6, autoscaler.md 13.2), those that mean something
# here; docs/metrics.md names the others.
PEERS = """
gitlab_runner_version_info gitlab_runner_concurrent gitlab_runner_limit gitlab_runner_jobs gitlab_runner_jobs_total
gitlab_runner_job_execution_mode_total gitlab_runner_job_duration_seconds gitlab_runner_job_queue_duration_seconds
gitlab_runner_job_stage_duration_seconds gitlab_runner_job_inputs_interpolations_total
gitlab_runner_job_inputs_interpolation_failures_total gitlab_runner_configuration_saved_total
gitlab_runner_configuration_saving_error_total
gitlab_runner_acceptable_job_queuing_duration_exceeded_total
gitlab_runner_job_queue_size gitlab_runner_job_queue_depth gitlab_runner_failed_jobs_total
gitlab_runner_request_concurrency gitlab_runner_request_concurrency_hard_limit
gitlab_runner_request_concurrency_adaptive_limit gitlab_runner_request_concurrency_used_limit
gitlab_runner_api_request_statuses_total gitlab_runner_api_request_duration_seconds
gitlab_runner_api_request_retries_total gitlab_runner_worker_feeds_total gitlab_runner_worker_slots_number
gitlab_runner_worker_processing_failures_total gitlab_runner_worker_health_check_failures_total
gitlab_runner_configuration_loaded_total gitlab_runner_configuration_loading_error_total gitlab_runner_errors_total
gitlab_runner_process_state_info
fleeting_provisioner_max_instances fleeting_provisioner_instances fleeting_provisioner_instance_operations_total
fleeting_provisioner_internal_operations_total fleeting_provisioner_missed_updates_total
fleeting_provisioner_instance_creation_time_seconds fleeting_provisioner_instance_is_running_time_seconds
fleeting_provisioner_instance_deletion_time_seconds fleeting_provisioner_instance_life_duration_seconds
fleeting_taskscaler_tasks fleeting_taskscaler_task_operations_total fleeting_taskscaler_scale_operations_total
fleeting_taskscaler_desired_instances fleeting_taskscaler_max_tasks_per_instance
fleeting_taskscaler_max_use_count_per_instance fleeting_taskscaler_task_instance_readiness_time_seconds
process_cpu_seconds_total process_max_fds process_open_fds process_resident_memory_bytes process_start_time_seconds
process_virtual_memory_bytes process_virtual_memory_max_bytes
""".split()
# 2.25 seconds and a project that runs many jobs: GitLab Runner's seven fields.
QUEUING = """
  [runners.monitoring]
    [[runners.monitoring.job_queuing_durations]]
      periods = ["* * * * * * *"]
      threshold = "2250ms"
      jobs_running_for_project = 'Inf$'
    [[runners.monitoring.job_queuing_durations]]
      threshold = "1ms"
"""
# What this run cannot bring about: the plugin of this machine never fails.
WITHOUT_DATA = {"flotilla_provider_errors_total"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    def __init__(self, folder, target):
        self.url = f"http://127.0.0.1:{free_port()}"
        config = folder / "prometheus.yml"
        config.write_text(f"global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n"
                          f"rule_files: ['{ROOT}/packaging/prometheus/alerts.yml']\n"
                          f"scrape_configs:\n  - job_name: flotilla\n    static_configs: [{{targets: ['{target}']}}]\n")
        self.log = open(folder / "prometheus.log", "wb")
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "prometheus", f"--config.file={config}",
             f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address={self.url[7:]}"], stdout=self.log, stderr=self.log)

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        self.log.close()

    def ask(self, path, **arguments):
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(arguments)}", timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def has(self, expression):
        with contextlib.suppress(OSError):
            return self.query(expression)
        return []


def with_input(job, name):
    """It has the input "nothing", and refers to the one of that name."""
    job.payload["inputs"] = [{"key": "nothing", "value": {"type": "string", "content": ":", "sensitive": False}}]
    job.payload["steps"][0]["script"].append(f"${{{{ job.inputs.{name} }}}}")


@pytest.fixture(scope="module")
def seen(binary, plugin_dir):
    """A run with jobs of every end, under Prometheus; it goes on until the tests are over."""
    with short_folder() as folder:
        run = Run(folder, binary, plugin_dir, runner_extra=QUEUING + "[runners.feature_flags]\nFF_EXPORT_HIGH_CARDINALITY_METRICS = true",
                  autoscaler_extra="instance_price = 0.25\n"
                  "instance_life_duration_buckets = [0.5, 7, 99.5]\ninstance_operation_time_buckets = [1, 2]")
        set_top(run, 'listen_address = "127.0.0.1:0"', "[web]", "exemplars = true")
        first = make_job(1, str(run.marks))
        first.payload["job_info"].update({"time_in_queue_seconds": 2.5, "queue_size": 7, "queue_depth": 3,
                                          "project_jobs_running_on_instance_runners_count": "+Inf"})
        with_input(first, "nothing")
        second = make_job(2, str(run.marks), exit_code=1)
        second.payload["job_info"].update({"time_in_queue_seconds": 2.25, "project_jobs_running_on_instance_runners_count": "+Inf"})
        run.coordinator.add(first, second, make_job(3, str(run.marks)), run.held_job(9))
        run.start()
        address = served_at(run)
        prometheus = Prometheus(folder, address)
        wait_for_trace(run, 9, b"line 0002")
        assert run.coordinator.wait_these([1, 2, 3], PATIENCE)
        # Two scrapes behind all that is asked for, or no rate is to be had.
        assert wait_for(lambda: prometheus.has("rate(flotilla_instance_seconds_total[5m]) > 0"))
        assert wait_for(lambda: prometheus.has('flotilla_job_wait_seconds_count{phase="report"} >= 3'))
        yield run, address, prometheus
        prometheus.close()
        run.release(9)
        assert run.finish() == []
        shutil.rmtree(folder / "tsdb", ignore_errors=True)


def families(text):
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M))


def sample(text, start):
    return [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(start)]


def test_promtool_finds_nothing_wrong(seen):
    _, address, _ = seen
    status, text = get(address, "/metrics")
    assert status == 200
    check = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert (check.returncode, check.stdout, check.stderr) == (0, "", "")
    assert [name for name in PEERS if name not in families(text)] == []


def test_what_was_counted(seen):
    _, address, _ = seen
    _, text = get(address, "/metrics")
    assert sample(text, "gitlab_runner_jobs_total") == [4]
    assert sample(text, 'gitlab_runner_failed_jobs_total{failure_reason="script_failure",') == [1]
    assert sample(text, "gitlab_runner_job_duration_seconds_count") == [3]
    assert sample(text, "gitlab_runner_job_queue_duration_seconds_sum") == [4.75]
    assert sample(text, "gitlab_runner_acceptable_job_queuing_duration_exceeded_total{") == [1]
    assert re.search(r'^gitlab_runner_acceptable_job_queuing_duration_exceeded_total\{runner="[^"]+",runner_name="[^"]+",system_id="[^"]+"\} 1$',
                     text, re.M)
    assert 'project_jobs_running="+Inf",le="3"} 2' in text and sample(text, "gitlab_runner_job_queue_depth") == [3]
    assert 'state="running",stage="step_script",executor_stage=""} 1' in text
    assert 'endpoint="update_job",method="put",status="200"} ' in text
    assert sample(text, "fleeting_provisioner_max_instances") == [3]
    assert re.findall(r'life_duration_seconds_bucket\{.*le="([^"]*)"', text) == ["0.5", "7", "99.5", "+Inf"]
    assert re.findall(r'deletion_time_seconds_bucket\{.*le="([^"]*)"', text) == ["1", "2", "+Inf"]
    assert sample(text, "flotilla_leaked_instances") == [0]
    assert sample(text, "flotilla_cost_rate_per_hour")[0] >= 0.25
    assert sample(text, "gitlab_runner_configuration_loaded_total") == [1]
    assert sample(text, "gitlab_runner_job_inputs_interpolations_total") == [1]
    assert sample(text, "gitlab_runner_job_inputs_interpolation_failures_total") == [0, 0]


def test_stages_are_timed_where_they_are_asked_for(seen):
    """Of the three that have ended, and of the one that is at its script."""
    run, address, _ = seen
    _, text = get(address, "/metrics")
    counts = dict(re.findall(r'job_stage_duration_seconds_count\{.*stage="(\w+)"\} (\d+)', text))
    assert (counts["prepare_executor"], counts["get_sources"], counts["step_script"]) == ("4", "4", "3")
    names = {"prepare_executor", "prepare_script", "get_sources", "clear_worktree", "restore_cache", "download_artifacts", "step_script",
             "after_script", "archive_cache", "archive_cache_on_failure", "upload_artifacts_on_success", "upload_artifacts_on_failure",
             "cleanup_file_variables"}
    assert set(counts) <= names
    waited = sample(text, "gitlab_runner_job_duration_seconds_sum")[0]
    assert 0 < sum(sample(text, "gitlab_runner_job_stage_duration_seconds_sum")) <= waited + 60
    assert 'stage="step_script",le="1"}' in text and 'stage="step_script",le="3600"}' in text


def test_inputs_that_cannot_be_followed_are_counted(folder, binary, plugin_dir):
    run = Run(folder, binary, plugin_dir)
    set_top(run, 'listen_address = "127.0.0.1:0"')
    jobs = [make_job(number, str(run.marks)) for number in (1, 2)]
    with_input(jobs[0], "something")
    with_input(jobs[1], "nothing + 1")
    run.coordinator.add(*jobs)
    run.start()
    address = served_at(run)
    assert run.coordinator.wait_these([1, 2], PATIENCE), run.log_tail()
    _, text = get(address, "/metrics")
    assert sample(text, 'gitlab_runner_job_inputs_interpolation_failures_total{error_type="parse"}') == [1]
    assert sample(text, 'gitlab_runner_job_inputs_interpolation_failures_total{error_type="evaluation"}') == [1]
    assert sample(text, "gitlab_runner_job_inputs_interpolations_total") == [0]
    assert "gitlab_runner_job_stage_duration_seconds_count" not in text  # nobody asked for them
    assert sample(text, "gitlab_runner_acceptable_job_queuing_duration_exceeded_total") == [0]  # there all the same
    assert run.stop() == 0
    run.coordinator.close()


def test_acceptable_times_in_queues_follow_the_configuration(folder, binary, plugin_dir):
    """Where the expression has no answer in time, which is said once, the job runs all the same."""
    run = Run(folder, binary, plugin_dir, runner_extra="  # monitoring")
    set_top(run, 'listen_address = "127.0.0.1:0"')
    run.start()
    address = served_at(run)

    def count_after(running, *job_ids):
        for job_id in job_ids:
            job = make_job(job_id, str(run.marks))
            job.payload["job_info"].update({"time_in_queue_seconds": 3.5, "project_jobs_running_on_instance_runners_count": running})
            run.coordinator.add(job)
        assert run.coordinator.wait_these(job_ids, PATIENCE), run.log_tail()
        return sample(get(address, "/metrics")[1], "gitlab_runner_acceptable_job_queuing_duration_exceeded_total{")

    assert count_after("0", 1) == [0]
    change(run, ("  # monitoring", QUEUING.replace("Inf$", "(0")))
    refused = ask_reload(run)
    assert refused.returncode == 1 and "is broken behind 2 bytes: missing closing parenthesis" in refused.stdout
    change(run, ("'(0'", "'^(0+)+$'"))
    wanted = ["runner 'checker': monitoring.job_queuing_durations[0]: none → a table",
              "runner 'checker': monitoring.job_queuing_durations[1]: none → a table"]
    assert texts(reload(run, "--dry-run")) == wanted
    assert texts(reload(run)) == wanted
    assert count_after("0", 2) == [1]
    assert count_after("0" * 40 + "x", 3, 4) == [1]
    assert says(run, "jobs_running_for_project of job_queuing_durations[0]: takes too long here") == 1
    assert run.finish() == []


def test_openmetrics_has_exemplars_and_an_end(seen):
    _, address, _ = seen
    status, text = get(address, "/metrics", Accept=f"{OPENMETRICS},text/plain;q=0.5")
    assert status == 200 and text.endswith("# EOF\n")
    assert re.search(r'gitlab_runner_job_duration_seconds_bucket\{.*\} \d+ # \{job_id="\d"\} [\d.]+ [\d.]+\n', text)
    assert "_created" not in text and "# {" not in get(address, "/metrics")[1]
    names = re.findall(r"^# TYPE (\S+) ", text, re.M)
    assert len(names) == len(set(names))


def test_prometheus_takes_it(seen):
    _, address, prometheus = seen
    def target():
        return prometheus.ask("targets")["activeTargets"][0]

    assert wait_for(lambda: (target()["health"], target()["lastError"]) == ("up", ""))
    assert target()["labels"]["instance"] == address
    # Prometheus asks for OpenMetrics, and keeps types by what that says.
    assert prometheus.ask("metadata", metric="flotilla_loop_turn_seconds")["flotilla_loop_turn_seconds"][0]["type"] == "histogram"
    assert prometheus.query("sum(gitlab_runner_jobs_total)")[0]["value"][1] == "4"


def dashboard_expressions():
    dashboard = json.loads((ROOT / "packaging/grafana/flotilla.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$runner_name", ".*")


def test_the_dashboard_shows_data(seen):
    _, _, prometheus = seen
    for expression in dashboard_expressions():
        if any(name in expression for name in WITHOUT_DATA):
            assert not prometheus.query(expression), expression
        else:
            assert wait_for(lambda: prometheus.query(expression)), expression


def bare(expression):
    """Without the comparison that makes it silent as long as all is well."""
    return re.sub(r"\s[>=]=?\s[\d.]+(?=$|\s)", "", expression).replace(" or absent(up{job=\"flotilla\"})", "").strip()


def test_alerts_are_right_and_silent_here(seen):
    _, _, prometheus = seen
    rules = ROOT / "packaging/prometheus/alerts.yml"
    subprocess.run(["promtool", "check", "rules", rules], check=True, capture_output=True)
    for rule in yaml.safe_load(rules.read_text())["groups"][0]["rules"]:
        assert prometheus.query(bare(rule["expr"])), rule["alert"]
        if rule["alert"] != "FlotillaStalls":  # the machine's word
            assert wait_for(lambda: not prometheus.query(rule["expr"])), rule["alert"]
    loaded = prometheus.ask("rules")["groups"][0]["rules"]
    assert {rule["health"] for rule in loaded} <= {"ok", "unknown"}


def test_alerts_fire_where_they_should(folder):
    """Of situations that are made up, as promtool does that."""
    series = {
        "FlotillaNothingReports": 'up{job="flotilla",instance="m"}',
        "FlotillaJobsWait": 'flotilla_oldest_waiting_job_seconds{instance="m",runner_name="r"}',
        "FlotillaInstancesLeak": 'flotilla_leaked_instances{instance="m",runner_name="r"}',
        "FlotillaPluginFaulted": 'flotilla_plugin_faulted{instance="m",runner_name="r"}',
        "FlotillaGrowthFails": 'flotilla_growth_paused{instance="m",runner_name="r"}',
        "FlotillaDiskFull": 'flotilla_disk_full{instance="m"}',
        "FlotillaLedgerLost": 'flotilla_ledger_lost{instance="m"}',
        "FlotillaTokenRefused": 'gitlab_runner_worker_health_check_failures_total{instance="m",runner_name="r"}',
        "FlotillaStalls": 'flotilla_loop_turn_seconds_bucket{instance="m",le="+Inf"}',
    }
    values = {"FlotillaNothingReports": "0x60", "FlotillaJobsWait": "700x60", "FlotillaTokenRefused": "0+1x60",
              "FlotillaStalls": "0+100x60"}
    tests = [{"interval": "1m",
              "input_series": [{"series": name, "values": values.get(alert, "1x60")},
                               *([{"series": name.replace("+Inf", "0.5"), "values": "0+100x60"},
                                  {"series": name.replace("+Inf", "0.25"), "values": "0x60"}] if alert == "FlotillaStalls" else [])],
              "promql_expr_test": [{"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": "40m",
                                    "exp_samples": [{"labels": "{}", "value": 1}]}]} for alert, name in series.items()]
    rules = yaml.safe_load((ROOT / "packaging/prometheus/alerts.yml").read_text())
    assert {rule["alert"] for rule in rules["groups"][0]["rules"]} == set(series)
    file = folder / "alerts-test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [f"{ROOT}/packaging/prometheus/alerts.yml"], "evaluation_interval": "1m",
                                    "tests": tests}))
    check = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr
