//! `ktizo user`.

use api::types::{NewUser, OwnPassword, User, UserPatch};
use clap::Subcommand;
use model::{Authority, PersonName};

use super::output::{columns, say, when};
use super::value::one_of;
use super::{Failure, Remote, confirmed, prompt};

/// People who may sign in.
#[derive(Debug, clap::Args)]
pub(super) struct UserArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// List users
    List,
    /// Show a user
    Show {
        /// Its name
        name: PersonName,
    },
    /// Add a user; its password is asked for, or read from standard input
    Add {
        /// Its name
        name: PersonName,
        /// What it may do: look, also approve devices and give orders, or everything
        #[arg(long, default_value = "viewer", value_parser = one_of::<Authority>(Authority::WORDS))]
        authority: Authority,
    },
    /// Change what a user may do, or its password
    Set {
        /// Its name
        name: PersonName,
        /// What it may do: look, also approve devices and give orders, or everything
        #[arg(long, value_parser = one_of::<Authority>(Authority::WORDS))]
        authority: Option<Authority>,
        /// Ask for a new password, or read it from standard input; its sessions end
        #[arg(long)]
        password: bool,
    },
    /// Change your own password: asks for the present one and the new one, or reads them as two lines of standard input
    Password,
    /// Delete a user; its sessions end, and the API tokens it made are revoked
    Delete {
        /// Its name
        name: PersonName,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

impl UserArgs {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let (client, output) = (self.remote.client()?, self.remote.output);
        match self.command {
            UserCommand::List => {
                let users = client.users().await?;
                output.print(&users, |users| table(users))
            }
            UserCommand::Show { name } => {
                let user = client.user(&name).await?;
                output.print(&user, |user| table(std::slice::from_ref(user)))
            }
            UserCommand::Add { name, authority } => {
                let password = prompt::new_password(name.as_str())?;
                let new = NewUser {
                    name,
                    authority,
                    password,
                };
                let user = client.add_user(&new).await?;
                output.print(&user, |user| {
                    format!("{} may sign in as {}.", user.name, user.authority)
                })
            }
            UserCommand::Set {
                name,
                authority,
                password,
            } => {
                if authority.is_none() && !password {
                    let why = "give --authority or --password";
                    return Err(Failure::Usage(why.to_owned()));
                }
                let password = password
                    .then(|| prompt::new_password(name.as_str()))
                    .transpose()?;
                let patch = UserPatch {
                    authority,
                    password,
                };
                let user = client.change_user(&name, &patch).await?;
                output.print(&user, |user| {
                    format!("{} is {}.", user.name, user.authority)
                })
            }
            UserCommand::Password => {
                let asked = OwnPassword {
                    present: prompt::secret("Present password: ")?,
                    password: prompt::new_password("yourself")?,
                };
                client.change_own_password(&asked).await?;
                say("Your password is changed, and your other sessions have ended.")
            }
            UserCommand::Delete { name, yes } => {
                let question =
                    format!("Delete the user {name}? The API tokens it made are revoked with it.");
                confirmed(&question, yes, "nobody was deleted")?;
                client.delete_user(&name).await?;
                say(&format!("{name} is deleted."))
            }
        }
    }
}

fn table(users: &[User]) -> String {
    let row = |user: &User| {
        vec![
            user.name.to_string(),
            user.authority.to_string(),
            when(user.last_sign_in),
        ]
    };
    columns(
        &["name", "authority", "last sign-in"],
        users.iter().map(row).collect(),
        "Nobody can sign in yet: `ktizo admin reset` makes a set-up link, `ktizo user add` a user.",
    )
}
