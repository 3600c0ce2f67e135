//! One run, from flags to `result.json`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use artifacts::probe::Critical;
use artifacts::run::{self, Config, EmaResult, Kind, Machine, ResultRecord, RunRecord, Source, Status};
use artifacts::setting::Setting;
use artifacts::weights::{self, Origin};
use artifacts::{batches, checkpoint, correct, json, names};
use cli::progress::Progress;
use cli::{DIVERGED, FAILED, Failure, INTERRUPTED, output, signals};
use kernels::device::{self, Device, EngineKind, Options};
use kernels::engine::{Augmentation, Engine, Part, Update};
use kernels::isa::Isa;
use learner::samples::{self, Division, Look, Samples};
use learner::spec::RunSpec;
use learner::state;
use learner::training::{Ending, FinalMeasurement, Measure, Training, means};
use learner::tuning::Tuning;
use schedules::Schedule;

use crate::failure::{Cause, OrFail};
use crate::flags::{Flags, value_name};
use crate::folder::{self, Existing, RunFolder, START_OVER, Task};
use crate::input::InputFlags;
use crate::inputs::Inputs;
use crate::observer::{Cadence, Recorder};
use crate::{class_weights, critical, machine, recipe, sheet, summary};

/// What a program adds to the shared flags.
pub struct Request {
    /// The program, such as `sc-train`.
    pub program: &'static str,
    /// Which kind of run.
    pub kind: Kind,
    /// The shared flags.
    pub flags: Flags,
    /// What the run is made after.
    pub asked: Asked,
}

/// What a run is made after.
pub enum Asked {
    /// Flags.
    Flags {
        /// Steps between measurements of `val_*` where no flag says: so many over the run.
        default_measurements: u64,
        /// The file that the rates were taken from, if any, by the bytes that were read.
        rates_from: Option<Source>,
        /// The recipe that filled in flags, if any.
        recipe: Option<Box<recipe::Applied>>,
    },
    /// The record of an earlier run, whose configuration stands in place of the flags.
    Record(Box<RunRecord>),
}

/// What was read before the schedule is known.
pub struct Prepared {
    began: Instant,
    request: Request,
    inputs: Inputs,
}

/// Reads data and initial weights and checks that they fit each other.
///
/// # Errors
/// When a file cannot be used.
pub fn prepare(request: Request) -> Result<Prepared, Failure> {
    let began = Instant::now();
    let (data, init) = request.files()?;
    let input = match &request.asked {
        Asked::Flags { .. } => request.flags.input,
        Asked::Record(record) => InputFlags::of(&record.config),
    };
    let inputs = Inputs::read(&data, &init, input)?;
    let prepared = Prepared { began, request, inputs };
    if let Asked::Flags { recipe: Some(applied), .. } = &prepared.request.asked {
        recipe::check(applied, &prepared)?;
    }
    Ok(prepared)
}

impl Request {
    /// The files of data and initial weights.
    ///
    /// # Errors
    /// When flags say neither.
    pub fn files(&self) -> Result<(PathBuf, PathBuf), Failure> {
        if let Asked::Record(record) = &self.asked {
            let file =
                |flag: &Option<PathBuf>, source: &Source| flag.clone().unwrap_or_else(|| source.path.clone().into());
            return Ok((file(&self.flags.data, &record.data), file(&self.flags.init, &record.init)));
        }
        let (data, init, _) = self.flags.required()?;
        Ok((data.to_owned(), init.to_owned()))
    }
}

impl Prepared {
    /// The shared flags.
    pub fn flags(&self) -> &Flags {
        &self.request.flags
    }

    /// The setting of the run that the flags ask for.
    pub fn setting(&self) -> Setting {
        let (flags, inputs) = (self.flags(), &self.inputs);
        Setting {
            data_sha256: Some(inputs.data_source.sha256.clone()),
            data_name: Some(inputs.data_name.clone()),
            init_sha256: Some(inputs.init_source.sha256.clone()),
            net: Some(inputs.origin.net.clone()),
            shortcut: Some(inputs.origin.shortcut.clone()),
            batch_size: Some(flags.batch_size),
            optimizer: Some(value_name(flags.optimizer)),
            momentum: Some(flags.momentum),
            weight_decay: Some(flags.weight_decay),
            engine: Some(flags.engine.to_string()),
            tuning: Some(flags.tuning.tuning().text()),
            input: Some(inputs.in_words()),
            iterations: flags.iterations,
        }
    }

    /// The data set and the initial weights, as they were read.
    pub fn sources(&self) -> (&Source, &Source) {
        (&self.inputs.data_source, &self.inputs.init_source)
    }

    /// Runs under `schedule`, to the end or until interrupted, and says with which exit code the program ends.
    ///
    /// # Errors
    /// When something cannot be used, or fails.
    pub fn launch(self, schedule: &Schedule) -> Result<u8, Failure> {
        let config = self.config(schedule)?;
        self.execute(config)
    }

    /// The schedule of the run to be resumed, where --out holds one: what was measured for it then is not measured again.
    /// `alike` says of a schedule whether it is what the flags ask for. A run that differs in something else is refused, by the
    /// name of that, unless it is to be superseded: then it has nothing to say.
    pub fn recorded(&self, alike: impl Fn(&Schedule) -> bool) -> Option<Schedule> {
        let path = self.flags().out.as_deref().filter(|_| self.flags().resume)?;
        let found = run::read_run(path).ok()?;
        let schedule: Schedule = serde_json::from_value(found.config.schedule_parameters).ok()?;
        let (data, init) = self.sources();
        let same = || folder::begun_as(path, &self.config(&schedule).ok()?, data, init);
        let holds = alike(&schedule) && (!self.flags().supersede || same().is_some());
        holds.then_some(schedule)
    }

    /// The critical rate of the first step of the run that is asked for, as `sc-probe` measures it by default. `schedule`
    /// stands in for the run's own, which may depend on the outcome.
    ///
    /// # Errors
    /// When the configuration cannot be used, or the device fails.
    pub fn critical_rate(&self, schedule: &Schedule) -> Result<Critical, Failure> {
        let spec = RunSpec::new(self.config(schedule)?).or_fail()?;
        let Config { seed, batch_size, momentum, weight_decay, .. } = spec.config;
        let mut samples = Samples::new(self.divide(&spec)?.train, seed, batch_size, Look::PLAIN);
        let batches: Vec<Vec<u32>> =
            (1..=critical::BATCHES as u64).map(|k| samples.batch(k).indices.to_vec()).collect();
        let path = self.folder(&spec);
        let options = self.options(&spec, &path)?;
        let (inputs, most) = (&self.inputs, batch_size.min(critical::IMAGES));
        let graph = spec.tuned(&inputs.graph).or_fail()?;
        let mut engine = device::open(&self.flags().device(), &graph, &inputs.data, most, &options).or_fail()?;
        let update = Update { optimizer: spec.optimizer, lr: 1.0, momentum, weight_decay };
        critical::measure(inputs, engine.as_mut(), &batches, &update)
    }

    /// The folder that a run goes to.
    fn folder(&self, spec: &RunSpec) -> PathBuf {
        let named = || Path::new("runs").join(names::of_run(&spec.config, &self.inputs.data_name));
        self.flags().out.clone().unwrap_or_else(named)
    }

    /// How the device is to compute.
    fn options(&self, spec: &RunSpec, path: &Path) -> Result<Options, Failure> {
        let engine = &spec.config.engine;
        let engine = engine.parse().map_err(|error| Failure::unusable(format!("engine {engine}: {error}")))?;
        if let (EngineKind::Candle, Some(isa)) = (engine, self.flags().isa) {
            let message = format!("--isa {isa} does not apply to --engine candle: it picks its instructions itself");
            return Err(Failure::unusable(message).hint("leave --isa out, or pass --engine fast"));
        }
        Ok(Options {
            engine,
            threads: self.flags().threads.map_or_else(machine::cores, |threads| threads as usize),
            isa: self.isa(spec, path)?,
            exact_conv: spec.config.exact_conv,
            precision: spec.config.precision.parse().map_err(Failure::unusable)?,
        })
    }

    /// Runs what `config` says, as [`Prepared::launch`].
    ///
    /// # Errors
    /// As [`Prepared::launch`].
    pub fn execute(self, config: Config) -> Result<u8, Failure> {
        let spec = RunSpec::new(config).or_fail()?;
        let division = self.divide(&spec)?;
        let flags = &self.request.flags;
        let path = self.folder(&spec);
        let device = flags.device();
        let options = self.options(&spec, &path)?;
        let inputs = &self.inputs;
        let graph = spec.tuned(&inputs.graph).or_fail()?;
        let mut engine = device::open(&device, &graph, &inputs.data, spec.config.batch_size, &options).or_fail()?;
        engine.set_state(&inputs.parameters, &inputs.buffers).or_fail()?;
        let record = self.record(&spec, &division, &path, &device, engine.as_ref(), options.threads);
        let existing = Existing { resume: flags.resume, supersede: flags.supersede };
        let (folder, task) = RunFolder::take(&path, &record, existing)?;
        let saved = match task {
            Task::Nothing => {
                let gone = || {
                    Failure::failed(format!("{}: cannot read: it was removed", path.join(run::RESULT_FILE).display()))
                };
                return self.report(&record, &run::read_result(&path)?.ok_or_else(gone)?);
            }
            Task::Start => {
                sheet::write(&path, &spec, &division, inputs)?;
                None
            }
            Task::GoOn { saved, kernels } => {
                self.warn_of_other_kernels(&record, &kernels);
                Some(*saved)
            }
        };
        if flags.record_batches {
            batches::write(&path.join(batches::FILE), record_batches(&spec, &division, inputs))?;
        }
        self.train(&spec, division, &folder, engine.as_mut(), saved, &record).map_err(|failure| {
            let hint = "progress was saved; rerun with --resume";
            if failure.code == FAILED && folder.can_go_on() { failure.hint(hint) } else { failure }
        })
    }

    fn train(
        &self,
        spec: &RunSpec,
        division: Division,
        folder: &RunFolder,
        engine: &mut dyn Engine,
        saved: Option<checkpoint::Checkpoint>,
        record: &RunRecord,
    ) -> Result<u8, Failure> {
        signals::listen();
        let (flags, path) = (self.flags(), folder.path.as_path());
        let done = saved.as_ref().map_or(0, |saved| saved.iteration);
        let progress = Progress::new(&record.name, done, Some(spec.config.iterations));
        let cadence = Cadence { every: flags.checkpoint_every, time: flags.between_checkpoints() };
        let test_lines = self.test_lines(spec, done);
        let mut training = Training::new(spec, &self.inputs.graph, engine, division, &self.inputs.data);
        let resumed = saved.is_some();
        if let Some(saved) = saved {
            let restored = training.restore(&path.join(checkpoint::FILE), saved);
            restored.map_err(|error| error.into_failure().hint(START_OVER))?;
        }
        let mut recorder =
            Recorder::open(folder, done, spec.config.batch_size, cadence, test_lines, self.began, progress)
                .map_err(|error| Failure::from(error).hint(START_OVER))?;
        if resumed {
            recorder.note_time(done, Some(format!("resumed on {} with {}", record.device, record.kernels)))?;
        }
        let ending = training.run(&mut recorder).or_fail()?;
        recorder.finish();
        recorder.sync()?;
        let mut result = ResultRecord {
            format: run::FORMAT.to_owned(),
            status: Status::Completed,
            divergence: None,
            iterations: training.iteration(),
            final_val_accuracy: None,
            final_val_loss: None,
            final_train_accuracy: None,
            final_train_loss: None,
            test_accuracy: None,
            test_loss: None,
            ema: None,
            wall_seconds: 0.0,
            images_per_second: recorder.images_per_second(),
            peak_rss_bytes: machine::peak_rss_bytes(),
        };
        match ending {
            Ending::Interrupted { iteration } => {
                let rerun = if flags.resume { "rerun" } else { "rerun with --resume" };
                let message = format!("{}: interrupted after step {iteration}; progress was saved", path.display());
                return Err(Failure {
                    code: INTERRUPTED,
                    message,
                    details: Vec::new(),
                    hint: Some(format!("{rerun} to continue")),
                });
            }
            Ending::Diverged(divergence) => {
                result.status = Status::Diverged;
                result.divergence = Some(divergence);
            }
            Ending::Completed => {
                let what = if flags.validation_only { Measure::ValidationOnly } else { Measure::All };
                let measured = training.measure(what).or_fail()?;
                self.keep_model(spec, &path.join(run::MODEL_FILE), training.parameters().or_fail()?, &measured)?;
                if let Some(average) = &measured.average {
                    let (measured, values) = average.as_ref();
                    self.keep_model(spec, &path.join(run::EMA_MODEL_FILE), values.clone(), measured)?;
                }
                self.keep_correct(spec, path, &measured)?;
                fill_in(&mut result, &measured);
            }
        }
        result.wall_seconds = recorder.wall_seconds();
        recorder.note_time(result.iterations, None)?;
        recorder.sync()?;
        json::write(&path.join(run::RESULT_FILE), &result)?;
        self.report(record, &result)
    }

    fn keep_model(
        &self,
        spec: &RunSpec,
        path: &Path,
        parameters: Vec<Vec<f32>>,
        measured: &FinalMeasurement,
    ) -> Result<(), Failure> {
        if spec.config.kind == Kind::RangeTest {
            return Ok(()); // weights after a ramp to the edge are of no use to anybody
        }
        let origin = Origin {
            tool: tool(self.request.program),
            task: Some(self.inputs.task.clone()),
            val_from_train: spec.config.val_from_train.to_string(),
            ..self.inputs.origin.clone()
        };
        let tensors = state::named(&self.inputs.graph, parameters, measured.buffers.clone());
        Ok(weights::write(path, &origin, tensors)?)
    }

    /// Which test images the run ends up classifying correctly.
    fn keep_correct(&self, spec: &RunSpec, path: &Path, measured: &FinalMeasurement) -> Result<(), Failure> {
        if spec.config.kind == Kind::RangeTest || measured.test.is_none() {
            return Ok(());
        }
        let labels = self.inputs.data.test.labels.iter();
        let is_correct: Vec<bool> =
            measured.test_classes.iter().zip(labels).map(|(class, label)| class == label).collect();
        Ok(correct::write(&path.join(correct::FILE), &is_correct)?)
    }

    /// How many looks at the test set the first `done` steps took; none where there are none to take.
    fn test_lines(&self, spec: &RunSpec, done: u64) -> Option<u64> {
        let every = spec.config.test_every;
        let none_to_look_at = self.inputs.data.test.labels.is_empty();
        (every > 0).then(|| if none_to_look_at { 0 } else { done / every })
    }

    fn config(&self, schedule: &Schedule) -> Result<Config, Failure> {
        let flags = &self.request.flags;
        let Asked::Flags { default_measurements, .. } = &self.request.asked else {
            return Err(Failure::failed("a run that is repeated takes its configuration from the record"));
        };
        let (_, init, iterations) = flags.required()?;
        let schedule = &schedule.resolved(iterations);
        let seed = flags.seed.or_else(|| self.inputs.origin.seed.parse().ok()).ok_or_else(|| {
            let message = format!("{} records no seed that could order the images", init.display());
            Failure::unusable(message).hint("pass one with --seed N")
        })?;
        let every = iterations.div_ceil(*default_measurements);
        let Tuning { freeze, freeze_bn, group_rates } = flags.tuning.tuning();
        Ok(Config {
            kind: self.request.kind,
            net: self.inputs.origin.net.clone(),
            shortcut: self.inputs.origin.shortcut.clone(),
            seed,
            batch_size: flags.batch_size,
            iterations,
            schedule: schedule.name().to_owned(),
            schedule_parameters: RunSpec::schedule_parameters(schedule),
            optimizer: value_name(flags.optimizer),
            momentum: flags.momentum,
            weight_decay: flags.weight_decay,
            bn_momentum: flags.bn_momentum,
            bn_reestimate: flags.bn_reestimate,
            augment: value_name(flags.augment),
            train_size: self.inputs.train_size(),
            normalise: self.inputs.origin.normalise.clone(),
            train_limit: flags.train_limit,
            val_from_train: flags.val_from_train,
            val_every: flags.val_every.unwrap_or(every),
            test_every: flags.test_every,
            exact_conv: flags.exact_conv,
            precision: flags.precision.to_string(),
            engine: flags.engine.to_string(),
            freeze,
            freeze_bn,
            group_rates,
            label_smoothing: flags.label_smoothing,
            class_weights: self.class_weights()?,
            ema: flags.ema,
        })
    }

    /// The weights of the classes that a flag asks for, by the images to train on; none without the flag.
    fn class_weights(&self) -> Result<Vec<f64>, Failure> {
        let (flags, data) = (self.flags(), &self.inputs.data);
        let Some(word) = &flags.class_weights else { return Ok(Vec::new()) };
        let labels = &data.train.labels;
        let division = samples::divide(labels, data.classes, flags.val_from_train, flags.train_limit);
        let trained: Vec<u32> = division.train.iter().map(|position| labels[*position as usize]).collect();
        class_weights::resolve(word, data.classes, &trained)
    }

    fn divide(&self, spec: &RunSpec) -> Result<Division, Failure> {
        let Config { val_from_train, train_limit, batch_size, .. } = spec.config;
        let division =
            samples::divide(&self.inputs.data.train.labels, self.inputs.data.classes, val_from_train, train_limit);
        let left = division.train.len();
        if left < batch_size {
            let message = format!("--batch-size {batch_size} is more than the {left} images to train on");
            return Err(
                Failure::unusable(message).hint("use a smaller batch, or fewer validation images (--val-from-train F)")
            );
        }
        Ok(division)
    }

    /// The instruction set that a flag asks for; or else that of the run that goes on, if this processor has it; or else
    /// the best.
    fn isa(&self, spec: &RunSpec, path: &Path) -> Result<Isa, Failure> {
        let flags = self.flags();
        let (data, init) = self.sources();
        let begun_with = || isa_of(&folder::begun_as(path, &spec.config, data, init)?);
        let earlier = || if flags.resume { begun_with().filter(|isa| isa.is_supported()) } else { None };
        let wanted = flags.isa.or_else(earlier).unwrap_or_else(Isa::detect);
        if wanted.is_supported() {
            return Ok(wanted);
        }
        let message = format!("--isa {wanted} does not run on this processor");
        Err(Failure::unusable(message).hint(format!("the best instruction set that it has is {}", Isa::detect())))
    }

    fn warn_of_other_kernels(&self, record: &RunRecord, begun_with: &str) {
        if begun_with != record.kernels {
            let RunRecord { name, kernels, .. } = record;
            let program = self.request.program;
            let text = format!(
                "{name} was started with {begun_with} and continues with {kernels}: its numbers are those of neither alone"
            );
            output::warning(program, text);
        }
    }

    fn record(
        &self,
        spec: &RunSpec,
        division: &Division,
        path: &Path,
        device: &Device,
        engine: &dyn Engine,
        threads: usize,
    ) -> RunRecord {
        let flags = &self.request.flags;
        let machine: Machine = machine::describe();
        let (study, arm, rates_from) = match &self.request.asked {
            Asked::Record(record) => (record.study.clone(), record.arm.clone(), record.rates_from.clone()),
            Asked::Flags { rates_from, .. } => (flags.study.clone(), flags.arm.clone(), rates_from.clone()),
        };
        RunRecord {
            format: run::FORMAT.to_owned(),
            name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            study,
            arm,
            tool: tool(self.request.program),
            git_commit: machine::commit(),
            build: Some(machine::build()),
            config: spec.config.clone(),
            data_name: self.inputs.data_name.clone(),
            classes: self.inputs.data.classes,
            train_images: division.train.len(),
            val_images: division.val.len(),
            data: self.inputs.data_source.clone(),
            init: self.inputs.init_source.clone(),
            rates_from,
            device: device.to_string(),
            kernels: engine.description(),
            isa: engine.isa().map(|isa| isa.to_string()),
            threads,
            machine,
        }
    }

    fn report(&self, record: &RunRecord, result: &ResultRecord) -> Result<u8, Failure> {
        if self.flags().json {
            output::json(result)?;
        } else {
            output::result(format!("{}: {}", record.name, summary::line(result)))?;
        }
        let fails = result.status == Status::Diverged && self.flags().fail_on_divergence;
        Ok(if fails { DIVERGED } else { 0 })
    }
}

/// The instruction set that a recorded run was made with; none where another device ran it.
pub fn isa_of(record: &RunRecord) -> Option<Isa> {
    record.isa()?.parse().ok()
}

/// Name and version of a program, as records keep it.
pub fn tool(program: &str) -> String {
    format!("{program} {}", env!("CARGO_PKG_VERSION"))
}

fn fill_in(result: &mut ResultRecord, measured: &FinalMeasurement) {
    if let Some(val) = &measured.val {
        (result.final_val_loss, result.final_val_accuracy) = means(val);
    }
    if let Some(test) = &measured.test {
        (result.test_loss, result.test_accuracy) = means(test);
    }
    if let Some(average) = &measured.average {
        let (val, test) = (average.0.val.as_ref().map(means), average.0.test.as_ref().map(means));
        let ((val_loss, val_accuracy), (test_loss, test_accuracy)) =
            (val.unwrap_or_default(), test.unwrap_or_default());
        result.ema = Some(EmaResult { val_accuracy, val_loss, test_accuracy, test_loss });
    }
    if let Some(train) = &measured.train {
        (result.final_train_loss, result.final_train_accuracy) = means(train);
    }
}

/// Order and augmentation are functions of seed and step, so the whole record can be made before the run.
fn record_batches(spec: &RunSpec, division: &Division, inputs: &Inputs) -> batches::Batches {
    let Config { seed, batch_size, iterations, .. } = spec.config;
    let look = Look::new(spec.augment, &inputs.data, &inputs.graph);
    let mut samples = Samples::new(division.train.clone(), seed, batch_size, look);
    let mut all = batches::Batches { batch_size, ..batches::Batches::default() };
    for iteration in 1..=iterations {
        let batch = samples.batch(iteration);
        all.indices.extend(batch.indices);
        for at in 0..batch.indices.len() {
            let augmentation = batch.augmentations.get(at).copied().unwrap_or(Augmentation::NONE);
            all.flip.push(u8::from(augmentation.flip));
            all.crop_y.push(augmentation.crop_y);
            all.crop_x.push(augmentation.crop_x);
            if let Some(Part { top, left, height, width }) = augmentation.part.or_else(|| look.centre()) {
                all.parts.extend([top, left, height, width]);
            }
        }
    }
    all
}
