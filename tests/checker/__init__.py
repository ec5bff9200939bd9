"""The checker: a scripted coordinator that judges any run of flotilla from outside.

It shares no code with flotilla. `coordinator.py` plays GitLab and remembers everything, `jobs.py`
makes jobs whose log can be foretold, `watch.py` looks at processes and instances while the run goes
on, `processes.py` knows which are the run's, `evidence.py` gathers what is left, `rules.py` holds
the rules and judges; `run.py` does all of it for one run.
"""
