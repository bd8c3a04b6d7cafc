//! What the doctor looks at: the configuration, or the defaults where it cannot be used.

use std::path::{Path, PathBuf};

use alumet_core::plugin::{Finding, PluginConfig, PluginDescriptor};

use crate::app::App;
use crate::cli::Global;
use crate::exit::Failed;
use crate::settings::Settings;
use crate::setup::{IfMissing, Setup};

const SUBJECT: &str = "configuration";

/// What the plugins are judged by.
pub(super) struct Basis {
    /// What is to be said about the configuration itself.
    pub(super) finding: Finding,
    pub(super) system_root: PathBuf,
    /// In the order of the file.
    pub(super) plugins: Vec<Subject>,
}

/// A plugin that is looked at, with its configuration.
pub(super) struct Subject {
    pub(super) descriptor: PluginDescriptor,
    pub(super) config: PluginConfig,
}

impl Basis {
    /// The configuration in effect. One that is wrong is a finding, and the default plugins take its place.
    ///
    /// # Errors
    /// When the defaults of a plugin cannot be parsed.
    pub(super) fn of(app: &App, global: &Global) -> Result<Self, Failed> {
        match Setup::load(app, global, IfMissing::Assume) {
            Ok(setup) => Ok(Self {
                finding: loaded(app, global),
                system_root: setup.settings.system_root,
                plugins: setup
                    .plugins
                    .into_iter()
                    .map(|plugin| Subject {
                        descriptor: plugin.descriptor,
                        config: plugin.config,
                    })
                    .collect(),
            }),
            Err(failed) => {
                let message = failed.message();
                let message = message.strip_prefix("error: ").unwrap_or(&message);
                let message = message.replace("\nerror: ", "\n");
                Ok(Self {
                    finding: Finding::broken(
                        SUBJECT,
                        format!("cannot be used; the defaults are looked at instead\n{message}"),
                        format!("mend it and try again with `{} config check`", app.name),
                    ),
                    system_root: Settings::default().system_root,
                    plugins: defaults(app)?,
                })
            }
        }
    }
}

fn loaded(app: &App, global: &Global) -> Finding {
    if !global.config.is_empty() {
        let files: Vec<_> = global
            .config
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Finding::works(SUBJECT, files.join(", "));
    }
    if Path::new(app.config_file).exists() {
        return Finding::works(SUBJECT, app.config_file);
    }
    Finding {
        remedy: Some(format!("{} config regen", app.name)),
        ..Finding::absent(
            SUBJECT,
            format!(
                "there is no {} in this folder; the defaults are looked at instead",
                app.config_file
            ),
        )
    }
}

/// The plugins that a new configuration file switches on, as it configures them.
fn defaults(app: &App) -> Result<Vec<Subject>, Failed> {
    let descriptors = app.default_plugins.iter().filter_map(|id| app.find_plugin(id));
    descriptors
        .map(|descriptor| {
            let mut empty = <dyn erased_serde::Deserializer<'_>>::erase(app.defaults_of(descriptor.id));
            let config = descriptor
                .parse(&mut empty)
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            Ok(Subject {
                descriptor: *descriptor,
                config,
            })
        })
        .collect()
}
